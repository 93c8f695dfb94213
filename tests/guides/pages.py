"""What a page of the documentation asks its reader to do, in order: commands, programs and recipes."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
GUIDES = sorted(
    path.relative_to(DOCS).with_suffix("").as_posix()
    for folder in ("tutorial", "how-to", "explanation")
    for path in (DOCS / folder).glob("*.md")
)

_FENCE = re.compile(
    r"^(?P<indent> *)```(?P<kind>\w*)(?P<rest>[^\n`]*)\n(?P<text>.*?)^(?P=indent)```", re.DOTALL | re.MULTILINE
)
_TITLE = re.compile(r'title="([^"]+)"')


@dataclass(frozen=True)
class Snippet:
    """One thing to do.

    Attributes:
        kind: `command`, `python` or `yaml`.
        text: The command line without its prompt, the program, or the recipe.
        line: Line of the page where it begins.
        shown: What the page shows as its output, line by line; none where it shows nothing.
        title: Name of the file that it is, where the page gives one.
    """

    kind: str
    text: str
    line: int
    shown: tuple[str, ...] = ()
    title: str = ""


def snippets(text: str) -> list[Snippet]:
    """All snippets of a page.

    Args:
        text: The page, in Markdown. A `text` block right below a program is what the program prints.
    """
    found: list[Snippet] = []
    above, end = "", 0
    for fence in _FENCE.finditer(text):
        line = text.count("\n", 0, fence.start()) + 2
        body = textwrap.dedent(fence["text"])
        if fence["kind"] == "console":
            found += _commands(body, line)
        elif fence["kind"] in {"python", "yaml"}:
            title = _TITLE.search(fence["rest"])
            found.append(Snippet(fence["kind"], body, line, title=title[1] if title else ""))
        elif fence["kind"] == "text" and above == "python" and not text[end : fence.start()].strip():
            found.append(replace(found.pop(), shown=tuple(one for one in body.splitlines() if one.strip())))
        above, end = fence["kind"], fence.end()
    return found


def _commands(body: str, line: int) -> Iterator[Snippet]:
    """The commands of a console block: each begins with a prompt, and what follows is what it prints."""
    for part in re.finditer(r"^\$ ((?:.*\\\n)*.*)\n?((?:(?!\$ ).*\n)*)", body, re.MULTILINE):
        shown = tuple(one for one in part[2].splitlines() if one.strip())
        yield Snippet("command", part[1].replace("\\\n", " "), line + body.count("\n", 0, part.start()), shown)


def page(name: str) -> list[Snippet]:
    """The snippets of a page, by its path in `docs` without `.md`."""
    return snippets((DOCS / f"{name}.md").read_text(encoding="utf-8"))

"""Every code that a quarantine record can bear is explained: what it means, where it comes from, what can be done."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reference" / "quarantine.md").read_text(encoding="utf-8")
PARTS = ("**Means.**", "**Likely cause.**", "**Fix it.**", "**Accept it.**")


def texts(value: ast.expr | None) -> Iterator[str]:
    """The texts that an expression may come to; of several values at once, those of the first."""
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        yield value.value
    elif isinstance(value, ast.Tuple):
        yield from texts(value.elts[0])
    elif isinstance(value, ast.IfExp):
        yield from (*texts(value.body), *texts(value.orelse))
    elif isinstance(value, ast.BoolOp):
        yield from (one for part in value.values for one in texts(part))


def first_name(target: ast.expr) -> str:
    """The name that is assigned to, without what it is an attribute of; of several, the first."""
    if isinstance(target, ast.Tuple):
        return first_name(target.elts[0])
    return getattr(target, "attr", getattr(target, "id", ""))


def codes_in(tree: ast.AST) -> Iterator[str]:
    """Texts that become the code of a record: named `code` or `error`, or told to `failed`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and {first_name(one) for one in node.targets} & {"code", "error"}:
            yield from texts(node.value)
        elif isinstance(node, ast.AnnAssign) and first_name(node.target) == "code":
            yield from texts(node.value)
        elif isinstance(node, ast.Call):
            yield from (one for word in node.keywords if word.arg in {"code", "error"} for one in texts(word.value))
            if getattr(node.func, "attr", "") == "failed" and node.args:
                yield from texts(node.args[0])


def all_codes() -> set[str]:
    """Every code that the program gives a record."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in (ROOT / "src").rglob("*.py")]
    return {code for tree in trees for code in codes_in(tree)} - {""}


def sections() -> dict[str, str]:
    """Code to its section of the page."""
    return dict(re.findall(r"^## `(\w+)`$\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))


def test_every_code_is_explained_and_no_other():
    """The page has a section for each code that the program gives a record, and for nothing else."""
    assert set(sections()) == all_codes()


def test_every_section_says_what_can_be_done():
    """What it means, the likely cause, how to fix it, how to accept it; in this order, each in a sentence at least."""
    for code, section in sections().items():
        places = [section.find(part) for part in PARTS]
        assert -1 not in places, code
        assert places == sorted(places), code
        assert all(len(text.split()) > 3 for text in re.split("|".join(map(re.escape, PARTS)), section)[1:]), code


def test_codes_are_found_in_every_form():
    """Assigned, chosen, handed over, or the first of two."""
    source = """
class One:
    code: str = "a"
sample.error, sample.detail = "b", "words"
sample.error, sample.detail = (
    "c",
    "words",
)
code = "d" if x else "e" if y else "f"
code = image.code or ("g" if z else "h")
record(code="i", detail="words")
self.failed("j", "words")
other = "not this"
"""
    assert list(dict.fromkeys(sorted(codes_in(ast.parse(source))))) == list("abcdefghij")

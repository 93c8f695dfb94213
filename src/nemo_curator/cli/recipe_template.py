"""The default recipe as commented YAML, made from the recipe's own fields so that it cannot drift from them."""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Iterator
from typing import Any

import yaml
from pydantic import BaseModel, BeforeValidator
from pydantic.fields import FieldInfo

from nemo_curator.cli.amounts import shown
from nemo_curator.planning.recipe import Recipe
from nemo_curator.stages.catalogue import score_names

_WIDTH = 100
_ENDLESS = 10_000
_MILLION = 1_000_000
_HEAD = """\
Recipe of imagecurator. Every key is here with its default; a key that you delete keeps it.
The rules listed are all the rules there are.
Use it with: imagecurator run INPUT OUTPUT --recipe {name}
Any key can also be set for one run: --set export.shard_size=500
"""


def recipe_template(name: str = "recipe.yaml") -> str:
    """YAML that says exactly what `Recipe()` is, with a comment before every key.

    Args:
        name: Of its file.
    """
    lines = [f"# {line}" for line in _HEAD.format(name=shlex.quote(shown(name))).splitlines()]
    return "\n".join([*lines, *_section(Recipe(), "")]) + "\n"


def _section(section: BaseModel, indent: str) -> Iterator[str]:
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        if not indent:
            yield ""
        words = field.description or ""
        if (section.__class__, name) == (Recipe, "scores"):
            words += f". Known: {', '.join(score_names())}"
        yield from _comment(f"{words}.", indent)
        if isinstance(value, BaseModel):
            yield f"{indent}{name}:"
            yield from _section(value, f"{indent}  ")
        else:
            yield from _value(name, value, field, indent)


def _comment(text: str, indent: str) -> Iterator[str]:
    for line in textwrap.wrap(text, _WIDTH - len(indent) - 2, break_long_words=False, break_on_hyphens=False):
        yield f"{indent}# {line}"


def _value(name: str, value: Any, field: FieldInfo, indent: str) -> Iterator[str]:
    """A key and its plain value: lists on one line, mappings a line an entry, round sizes with a suffix."""
    if isinstance(value, dict) and value:
        text = yaml.safe_dump({name: value}, sort_keys=False, allow_unicode=True, width=_ENDLESS)
        yield from (f"{indent}{line}" for line in text.splitlines())
        return
    takes_suffix = isinstance(value, int) and any(isinstance(one, BeforeValidator) for one in field.metadata)
    if takes_suffix and value >= _MILLION and value % _MILLION == 0:
        yield f"{indent}{name}: {value // _MILLION}M"
        return
    plain = yaml.safe_dump(value, allow_unicode=True, default_flow_style=True, width=_ENDLESS)
    yield f"{indent}{name}: {plain.removesuffix('...' + chr(10)).strip()}"

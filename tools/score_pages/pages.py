"""The pages of scores: which parts they have, and how a made block gets into one."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tools.score_pages.facts import classes, column_table, columns_of

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "reference" / "scores"
PICTURES = ROOT / "docs" / "images" / "scores"
MEASURED = FOLDER / "measured.json"
PARTS = ("What it means", "Scale", "On real photos", "Examples", "When it fails", "Source")

UNMEASURED = {
    **dict.fromkeys(
        ("aesthetic", "clip_prompts", "clip_score"), "it needs the weights of CLIP, which no package carries"
    ),
    **dict.fromkeys(("pixels", "turned_hashes"), "a hash has no quantiles, and looks like nothing"),
}
"""Scores without quantiles and pictures, and why."""

_HEAD = "| score | column | value | meaning |\n|---|---|---|---|"


def page(score: str) -> Path:
    """Where the page of a score is."""
    return FOLDER / f"{score}.md"


def with_block(text: str, name: str, block: str) -> str:
    """A page with what stands between the marks of a block replaced.

    Raises:
        ValueError: The page has no such marks.
    """
    made, count = _marks(name).subn(lambda found: f"{found[1]}\n\n{block}\n\n{found[3]}", text)
    if count != 1:
        raise ValueError(f"the page has {count} blocks <!-- {name} --> instead of one")
    return made


def block_of(text: str, name: str) -> str:
    """What stands between the marks of a block."""
    found = _marks(name).search(text)
    return found[2].strip() if found else ""


def _marks(name: str) -> re.Pattern[str]:
    return re.compile(rf"(<!-- {name} -->)(.*?)(<!-- /{name} -->)", re.DOTALL)


def read_measured() -> dict[str, Any]:
    """What was measured on real photos."""
    return dict(json.loads(MEASURED.read_text(encoding="utf-8"))) if MEASURED.exists() else {}


def write_measured(found: Mapping[str, Any]) -> None:
    """Keep what was measured, a line a column."""
    kept = read_measured() | dict(found)
    lines = []
    for score, materials in sorted(kept.items()):
        inner = [
            f'   "{name}": {{\n' + ",\n".join(f'    "{column}": {json.dumps(one)}' for column, one in columns.items())
            + "\n   }"
            for name, columns in materials.items()
        ]  # fmt: skip
        lines.append(f' "{score}": {{\n' + ",\n".join(inner) + "\n }")
    MEASURED.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def index_block() -> str:
    """All columns of all scores, for the index."""
    rows = [
        row
        for score, kind in classes().items()
        for row in column_table(columns_of(kind), first=f"| [`{score}`]({score}.md) ")
    ]
    return "\n".join([_HEAD, *rows])

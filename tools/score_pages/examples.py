"""Four pictures that show what a score means, side by side with their values."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image, ImageDraw, ImageFont, ImageOps
from tools.score_pages.material import PICKED

from nemo_curator.codecs.views import thumbnail
from nemo_curator.runs import Run
from nemo_curator.stages.declarations import Column

CELL, GAP, FONT = 210, 10, 13
_PAPER, _INK = (255, 255, 255), (40, 40, 40)
_MOST_LABELS = 5

Chosen = list[tuple[str, dict[str, Any]]]
"""File and columns of the four pictures."""


def score_examples(files: Mapping[str, bytes], scores: Sequence[str]) -> pa.Table:
    """All columns of the example pictures."""
    with tempfile.TemporaryDirectory() as scratch:
        for name, data in files.items():
            place = Path(scratch, "in", name)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data)
        run = Run.score(f"{scratch}/in", f"{scratch}/run", scores=list(scores), rules={})
        table = run.table()
    return table.filter(pa.compute.is_null(table["error"])).combine_chunks()


def choose(table: pa.Table, score: str, columns: Sequence[Column]) -> Chosen:
    """Four pictures: those that were picked by hand, else such as spread over the score, from least to most."""
    names = ["image_id", "caption", *(column.name for column in columns)]
    rows = table.select(names).to_pylist()
    if score in PICKED:
        by_name = {row["image_id"]: row for row in rows}
        chosen = [by_name[name] for name in PICKED[score]]
    else:
        chosen = _spread(rows, columns[0].name)
    return [(str(row["image_id"]), row) for row in chosen]


def _spread(rows: Sequence[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    """Near the least value, the most, and two between; other pictures and whole ones where there is a choice."""
    values = [float(row[name]) for row in rows]
    low, high = min(values), max(values)
    step = (high - low) / 30 or 1.0
    chosen: list[dict[str, Any]] = []
    for goal in np.linspace(low, high, 4):
        shown = {_original(row) for row in chosen}
        left = [row for row in rows if row not in chosen]
        chosen.append(min(left, key=lambda row: _rank(row, abs(float(row[name]) - goal) // step, shown)))
    return sorted(chosen, key=lambda row: float(row[name]))


def _rank(row: dict[str, Any], distance: float, shown: set[str]) -> tuple[float, bool, bool, str]:
    return distance, _original(row) in shown, "-" in row["image_id"], row["image_id"]


def _original(row: dict[str, Any]) -> str:
    return str(row["image_id"]).partition("-")[0].partition(".")[0]


def draw(chosen: Chosen, files: Mapping[str, bytes], columns: Sequence[Column]) -> bytes:
    """The strip as a WebP."""
    font = ImageFont.load_default(FONT)
    shown = columns[:_MOST_LABELS]
    captioned = shown[0].name.startswith("caption")
    strip = Image.new("RGB", (4 * CELL + 5 * GAP, CELL + 2 * GAP + 18 * (len(shown) + captioned) + 4), _PAPER)
    pen = ImageDraw.Draw(strip)
    for at, (name, values) in enumerate(chosen):
        left = GAP + at * (CELL + GAP)
        picture = Image.fromarray(thumbnail(files[name], CELL))
        framed = ImageOps.expand(ImageOps.contain(picture, (CELL - 2, CELL - 2)), 1, (200, 200, 200))
        strip.paste(framed, (left + (CELL - framed.width) // 2, GAP + (CELL - framed.height) // 2))
        lines = [f"{column.name}: {said(values[column.name])}" for column in shown]
        for line, text in enumerate([f"“{values['caption']}”", *lines] if captioned else lines):
            pen.text((left, CELL + GAP + 6 + 18 * line), _fitted(text, font), _INK, font)
    out = io.BytesIO()
    strip.save(out, "WEBP", quality=78, method=6)
    return out.getvalue()


def _fitted(text: str, font: Any) -> str:
    """A label that is no wider than its picture."""
    if font.getlength(text) <= CELL:
        return text
    while font.getlength(f"{text}…") > CELL:
        text = text[:-1]
    return f"{text}…"


def said(value: Any) -> str:
    """A value as a label shows it."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def block(score: str, chosen: Chosen, columns: Sequence[Column]) -> str:
    """The block of examples on a score's page: the strip, described for those who do not see it."""
    first = columns[0].name
    words = "; ".join(f"{name.rpartition('/')[2]}, {first} {said(values[first])}" for name, values in chosen)
    return f"![Four pictures: {words}](../../images/scores/{score}.webp)"

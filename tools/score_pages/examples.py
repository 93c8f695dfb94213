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

from nemo_curator.codecs.views import thumbnail
from nemo_curator.runs import Run
from nemo_curator.stages.declarations import Column

CELL, GAP, FONT = 210, 10, 13
_PAPER, _INK = (255, 255, 255), (40, 40, 40)
_MOST_LABELS = 5
_WIDEST = 31  # characters of a label

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


def choose(table: pa.Table, columns: Sequence[Column]) -> Chosen:
    """Four pictures that spread over a score: least, most, and two between; of truths and texts, both kinds."""
    name = columns[0].name
    rows = table.select(["image_id", *(column.name for column in columns)]).to_pylist()
    rows.sort(key=lambda row: (row[name] is not None, row[name] if row[name] is not None else 0, row["image_id"]))
    if len({row[name] for row in rows}) < 4:  # few values: as many of each as there are
        spread = _of_each(rows, name)
    else:
        low, high = float(rows[0][name]), float(rows[-1][name])
        spread = [min(rows, key=lambda row: abs(float(row[name]) - goal)) for goal in np.linspace(low, high, 4)]
        spread = spread if len({row["image_id"] for row in spread}) == 4 else [rows[at] for at in _ranks(len(rows))]
    return [(str(row.pop("image_id")), row) for row in map(dict, spread)]


def _of_each(rows: Sequence[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    by_value: dict[Any, list[dict[str, Any]]] = {}
    for row in rows:
        by_value.setdefault(row[name], []).append(row)
    found: list[dict[str, Any]] = []
    depth = 0
    while len(found) < 4:
        found += [group[depth] for group in by_value.values() if depth < len(group)]
        depth += 1
    return sorted(found[:4], key=rows.index)


def _ranks(count: int) -> list[int]:
    return [round(share * (count - 1)) for share in (0, 1 / 3, 2 / 3, 1)]


def draw(chosen: Chosen, files: Mapping[str, bytes], columns: Sequence[Column]) -> bytes:
    """The strip as a WebP."""
    font = ImageFont.load_default(FONT)
    shown = columns[:_MOST_LABELS]
    strip = Image.new("RGB", (4 * CELL + 5 * GAP, CELL + 2 * GAP + 18 * (len(shown)) + 4), _PAPER)
    pen = ImageDraw.Draw(strip)
    for at, (name, values) in enumerate(chosen):
        left = GAP + at * (CELL + GAP)
        picture = Image.fromarray(thumbnail(files[name], CELL))
        framed = ImageOps.expand(ImageOps.contain(picture, (CELL - 2, CELL - 2)), 1, (200, 200, 200))
        strip.paste(framed, (left + (CELL - framed.width) // 2, GAP + (CELL - framed.height) // 2))
        for line, column in enumerate(shown):
            text = f"{column.name}: {said(values[column.name])}"
            text = text if len(text) <= _WIDEST else f"{text[: _WIDEST - 1]}…"
            pen.text((left, CELL + GAP + 6 + 18 * line), text, _INK, font)
    out = io.BytesIO()
    strip.save(out, "WEBP", quality=78, method=6)
    return out.getvalue()


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

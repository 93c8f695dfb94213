"""How a score is distributed on real photos: measured into a JSON file, and shown from it."""

from __future__ import annotations

import json
import math
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from nemo_curator.runs import Run
from nemo_curator.stages.declarations import Column

SHARES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
_HEAD = "| column | least | 5 % | 25 % | median | 75 % | 95 % | most |\n|---|---|---|---|---|---|---|---|"
_MATERIALS = {"photos": "{:,} photos of clothes:", "kodak": "{:,} photographs of the Kodak suite:"}
_MOST_WORDS = 3


def measure(materials: Mapping[str, Path], scores: Mapping[str, Sequence[Column]]) -> dict[str, Any]:
    """Score every material, and sum up every column.

    Args:
        materials: Name to folder or tar.
        scores: Recipe name to columns of the scores to compute.

    Returns:
        Score to material to column to summary.
    """
    found: dict[str, Any] = {score: {} for score in scores}
    for material, place in materials.items():
        with tempfile.TemporaryDirectory() as scratch:
            run = Run.score(str(place), scratch + "/run", scores=list(scores), rules={})
            table = run.table()
        readable = table.filter(pa.compute.is_null(table["error"]))
        for score, columns in scores.items():
            found[score][material] = {column.name: summary(readable[column.name].to_pylist()) for column in columns}
    return found


def summary(values: Sequence[Any]) -> dict[str, Any]:
    """A column as plain data: quantiles of numbers, share of a truth, most frequent texts."""
    there = [value for value in values if value is not None]
    about: dict[str, Any] = {"images": len(values), "missing": len(values) - len(there)}
    if not there:
        return about
    if all(isinstance(value, bool) for value in there):
        return about | {"true": sum(there)}
    if all(isinstance(value, int | float) for value in there):
        return about | {"quantiles": [_rounded(value) for value in quantiles(there)]}
    repeated = [pair for pair in Counter(there).items() if pair[1] > 1]
    frequent = sorted(repeated, key=lambda pair: (-pair[1], pair[0]))[:_MOST_WORDS]
    return about | {"distinct": len(set(there)), "frequent": [[word[:40], count] for word, count in frequent]}


def quantiles(values: Iterable[float]) -> list[float]:
    """The values at `SHARES`: each the smallest that at least that share does not exceed, as in rules."""
    ordered = sorted(values)
    return [ordered[max(0, math.ceil(share * len(ordered)) - 1)] for share in SHARES] if ordered else []


def _rounded(value: float) -> float | int:
    return value if isinstance(value, int) else float(f"{value:.4g}")


def table(measured: Mapping[str, Any]) -> str:
    """The block of quantiles on a score's page, from what `measure` found for it: a table a material."""
    blocks = []
    for material, columns in measured.items():
        count = max(about["images"] for about in columns.values())
        rows = [f"| `{name}` | {' | '.join(_cells(about))} |" for name, about in columns.items()]
        blocks.append("\n".join([_MATERIALS[material].format(count), "", _HEAD, *rows]))
    return "\n\n".join(blocks)


def _cells(about: Mapping[str, Any]) -> list[str]:
    blank = [""] * len(SHARES)
    missing = f", {about['missing']:,} without" if about["missing"] else ""
    if "true" in about:
        return [f"true for {about['true']:,}{missing}", *blank[1:]]
    if "frequent" in about:
        words = ", ".join(f"{json.dumps(word, ensure_ascii=False)} {count:,}" for word, count in about["frequent"])
        said = f"{about['distinct']:,} different{missing}"
        return [(f"{said}: {words}" if words else said).replace("|", "\\|"), *blank[1:]]
    if "quantiles" not in about:
        return ["none", *blank[1:]]
    return [f"{value:,}" if isinstance(value, int) else f"{value:g}" for value in about["quantiles"]]

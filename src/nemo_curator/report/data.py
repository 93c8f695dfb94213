"""The page's data for its script, as JSON that may stand inside an HTML page whatever captions and names hold."""

from __future__ import annotations

import base64
import json
import math
import shlex
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from nemo_curator.report.content import Alike, Group, Leaks, Page
from nemo_curator.report.figure import Figure
from nemo_curator.report.sensitive import is_sensitive_rule
from nemo_curator.report.spreads import SHARES, Counts, Spread

# what could end a script element, begin a comment in one, or break a line in JavaScript
_ESCAPES = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"})


def embedded(data: Any) -> str:
    """JSON text that may stand inside a script element: no character of it can end that."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.translate(_ESCAPES)


def page_data(page: Page) -> dict[str, Any]:
    """Everything that the script shows."""
    rows = {int(position): row for row, position in enumerate(page.sample.positions)}
    return {
        "inputs": page.inputs,
        "readable": page.readable,
        "place": shlex.quote(page.place),
        "groups": [_group(one) for one in page.groups],
        "order": [step.group for step in (page.steps[-1], *page.steps[:-1]) if step.group >= 0],
        "shares": SHARES,
        "axes": [_axis(one) for one in page.spreads],
        "sample": {
            "ids": page.sample.ids,
            "positions": page.sample.positions.tolist(),
            "groups": page.sample.groups.tolist(),
            "numbers": _packed(page.sample.numbers),
            "places": None if page.sample.places is None else _packed(page.sample.places.T),
            "variance": page.sample.shares,
        },
        "figures": {rows[position]: figure_data(one) for position, one in page.figures.items()},
        "alike": [_alike(one, rows) for one in page.alike],
        "leaks": _leaks(page.leaks, rows) if page.leaks else None,
    }


def _group(group: Group) -> dict[str, Any]:
    return {
        "verdict": group.verdict,
        "rule": group.rule,
        "detail": group.detail,
        "count": group.count,
        "sensitive": group.verdict == "reject" and is_sensitive_rule(group.rule, group.detail),
    }


def _axis(spread: Spread) -> dict[str, Any]:
    axis = spread.axis
    return {
        "name": axis.name,
        "column": axis.column,
        "unit": axis.unit,
        "meaning": axis.meaning,
        "thresholds": [
            {"rule": one.rule, "operator": one.operator, "value": one.value, "moving": one.moving}
            for one in axis.thresholds
            if math.isfinite(one.value)
        ],
        "count": spread.count,
        "missing": spread.missing,
        "kept": spread.kept,
        "keptMissing": spread.kept_missing,
        "quantiles": _finite(spread.quantiles),
        "whole": spread.whole,
        "log": spread.logarithmic,
        "edges": spread.edges,
        "bars": spread.bars,
        "barsKept": spread.bars_kept,
        "outside": spread.outside,
        "every": spread.every,
        "points": None if not spread.every and spread.points == spread.stops else spread.points,
        "counts": _counts(spread.counts),
        "keptCounts": _counts(spread.kept_counts),
        "stops": spread.stops,
    }


def _counts(counts: Counts) -> dict[str, Any]:
    return {"below": counts.below, "upto": counts.upto}


def _finite(values: Sequence[float]) -> list[float | str]:
    """Numbers; infinity, of which JSON knows nothing, as the word that JavaScript reads."""
    return [one if math.isfinite(one) else f"{'-' * (one < 0)}Infinity" for one in values]


def _packed(numbers: npt.NDArray[np.float64]) -> str:
    """Doubles, little-endian, row after row, in Base64: NaN and every digit survive."""
    return base64.b64encode(np.ascontiguousarray(numbers, "<f8").tobytes()).decode("ascii")


def figure_data(figure: Figure) -> dict[str, Any]:
    """What is known of one picture beside its id; what is empty is left out."""
    known = {
        "caption": figure.caption,
        "size": figure.size,
        "kind": figure.kind,
        "source": figure.source,
        "compared": figure.compared,
        "duplicateOf": figure.duplicate_of,
        "picture": figure.picture,
        "missing": figure.missing,
        "shape": figure.shape,
        "unsafe": figure.unsafe,
        "texts": [one for one in figure.scores if one[1] != "\N{EN DASH}"],
    }
    return {name: value for name, value in known.items() if value not in ("", (), [])}


def _alike(alike: Alike, rows: dict[int, int]) -> dict[str, Any]:
    return {
        "kept": None if alike.kept is None else rows.get(alike.kept),
        "keptId": alike.kept_id,
        "size": alike.size,
        "removed": [
            {"row": rows[one.position], "how": one.how, "distance": one.distance}
            for one in alike.removed
            if one.position in rows
        ],
    }


def _leaks(leaks: Leaks, rows: dict[int, int]) -> dict[str, Any]:
    listed = [
        {
            "row": rows[one.position],
            "protectedId": one.protected_id,
            "how": one.how,
            "distance": one.distance,
            "others": one.others,
            "figure": figure_data(one.protected) if one.protected else None,
        }
        for one in leaks.listed
        if one.position in rows
    ]
    return {"images": leaks.images, "protected": leaks.protected, "listed": listed}

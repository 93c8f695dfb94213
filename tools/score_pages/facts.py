"""What the code itself says about a score, as Markdown."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from importlib.metadata import entry_points
from typing import Any

from nemo_curator.kernels.view import View
from nemo_curator.stages.catalogue import GROUP
from nemo_curator.stages.declarations import Column, Cost, Needs
from nemo_curator.stages.image.filters.base import BaseFilterStage

GIVEN: dict[str, dict[str, Any]] = {"clip_prompts": {"watermark": ["a watermarked photo"]}}
"""Parameters for the pages of scores that cannot be made without some."""

_OF_THE_BASE = {field.name for field in dataclasses.fields(BaseFilterStage)}
_COLUMNS = ("| column | value | meaning |", "|---|---|---|")


def classes() -> dict[str, type[Any]]:
    """Recipe name to class of every score of ours."""
    points = [point for point in entry_points(group=GROUP) if point.value.startswith("nemo_curator.")]
    return {point.name: point.load() for point in sorted(points, key=lambda point: point.name)}


def columns_of(kind: type[Any]) -> tuple[Column, ...]:
    """The columns that a score declares, without making the stage, which may lack its weights here."""
    return tuple(getattr(kind, "columns", ()))


def column_table(columns: Iterable[Column], first: str = "") -> list[str]:
    """Rows for columns.

    Args:
        columns: The columns.
        first: A cell before each, as the index of all scores has it.
    """
    return [f"{first}| {' | '.join(_cells(column))} |" for column in columns]


def facts(stage: Any, columns: Iterable[Column]) -> str:
    """The block of facts on a score's page."""
    rows = column_table(columns)
    table = [*_COLUMNS, *rows, ""] if rows else []
    return "\n".join([*table, *(f"- **{name}**: {said}" for name, said in _facts(stage))])


def _cells(column: Column) -> list[str]:
    span = "" if column.range is None else "{:g} to {:g}".format(*column.range)
    value = ", ".join(filter(None, (column.type, (span and f"{span} {column.unit}".strip()) or column.unit)))
    return [f"`{column.name}`", value, column.meaning.replace("|", "\\|")]


def _facts(stage: Any) -> Iterable[tuple[str, str]]:
    kind = type(stage)
    yield "Class", f"`{kind.__module__}.{kind.__qualname__}`"
    yield "Cost class", Cost(getattr(kind, "cost", Cost.MODEL)).name.lower()
    yield "Looks at", looks_at(stage.needs())
    given = [
        f"`{field.name}` = `{field.default!r}`"
        for field in dataclasses.fields(stage)
        if field.name not in _OF_THE_BASE and not field.name.startswith("_") and field.init
    ]
    if "model_dir" in {field.name for field in dataclasses.fields(stage)} and _has_weights(stage):
        given.append("`model_dir` = `None`")
    yield "Parameters", ", ".join(given) or "none"
    if isinstance(stage, BaseFilterStage):
        yield "In a pipeline made by hand", _threshold(stage)


def _has_weights(stage: Any) -> bool:
    return getattr(type(stage), "cost", Cost.MODEL) is Cost.MODEL


def _threshold(stage: BaseFilterStage) -> str:
    column = f"`{stage.score_columns()[0].name}`"
    if stage.score_columns()[0].type == "string":
        return f"records {column} by `annotate`; no threshold can be compared with it"
    if stage.score_threshold is None:
        return f"compares {column}; give a threshold, there is no default"
    side = "at or above" if stage.keep == "at_or_above" else "below"
    return f"keeps {column} {side} {stage.score_threshold:g}"


def looks_at(needs: Needs | None) -> str:
    """What of an image a stage needs, in words."""
    if needs is None:
        return "everything"
    parts = ["the header"] if needs == Needs() else []
    parts += [_view(view) for view in needs.views]
    words = {
        "pixels": "the full picture",
        "encoded": "the file's bytes",
        "caption": "the caption",
        "sidecars": "the sidecars",
    }
    parts += [said for name, said in words.items() if getattr(needs, name)]
    parts += ["the embedding"] if needs.embedding else []
    return ", ".join(parts)


def _view(view: View) -> str:
    if view.fit == "none":
        return f"the centre of the picture as it is, at most {view.crop} x {view.crop} pixels"
    side = {"short": "the shorter side", "long": "the longer side", "squash": "both sides"}[view.fit]
    crop = f", centre {view.crop} x {view.crop}" if view.crop else ""
    return f"a view of {'' if view.enlarge else 'at most '}{view.size} pixels on {side} ({view.filter}{crop})"

"""Runs made of rows, without an image: a partition a list of rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.parts import part_schema, write_part
from nemo_curator.stages.declarations import Column

COLUMNS = (Column("a"), Column("b", "int"), Column("flag", "bool"), Column("word", "string"))
SCHEMA = part_schema(COLUMNS)


def row(image_id: str, **values: Any) -> dict[str, Any]:
    """One readable record; anything not given is NULL."""
    return {"image_id": image_id, "sha256": f"hash of {image_id}", "width": 100, "height": 100, **values}


def made_run(folder: Path, *partitions: list[dict[str, Any]]) -> tuple[RunDirectory, list[str]]:
    """A run whose parts hold these rows, and the ids of its partitions in order."""
    run = RunDirectory(str(folder / "run"))
    ids = [f"{15 - index:016x}" for index in range(len(partitions))]  # not in the order of their names
    for partition_id, rows in zip(ids, partitions, strict=True):
        write_part(run, partition_id, [{"ordinal": at, **one} for at, one in enumerate(rows)], SCHEMA)
    return run, ids

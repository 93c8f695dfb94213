"""What is known about single inputs, by their position: their part rows, and where their bytes lie."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Any

import pyarrow as pa

from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.partitions import Locations
from nemo_curator.runs.parts import read_part

COLUMNS = (
    *("image_id", "source", "members", "primary", "format", "width", "height", "bytes", "caption"),
    *("error", "error_detail"),
)
"""What is read of an input besides its scores."""

_CAPTION = 2_000  # characters read of a caption; far fewer are shown

Row = dict[str, Any]


def part_rows(
    run: RunDirectory,
    partitions: Locations,
    starts: Sequence[int],
    positions: Collection[int],
    scores: Sequence[str],
) -> dict[int, Row]:
    """Position to part row of some inputs, in source order; `location` is added, None where it is not known.

    Args:
        run: The run.
        partitions: Its partitions.
        starts: Position of the first input of each partition.
        positions: Which inputs.
        scores: Names of the score columns to bring.
    """
    by_part: dict[int, list[int]] = defaultdict(list)
    for position in sorted(set(positions)):
        by_part[bisect_right(starts, position) - 1].append(position)
    found: dict[int, Row] = {}
    for part, inside in by_part.items():
        partition_id = partitions.ids[part]
        table = read_part(run, partition_id, [*COLUMNS, *scores])
        rows = table.take(pa.array([position - starts[part] for position in inside])).to_pylist()
        locations = partitions.of(partition_id, (row["source"] for row in rows))
        for position, row in zip(inside, rows, strict=True):
            row["location"] = locations.get(row["source"])
            row["caption"] = (row["caption"] or "")[:_CAPTION]
            found[position] = row
    return found

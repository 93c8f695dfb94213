"""One walk over the parts of a run: how scores are spread, what could not be used, and where each part begins.

Only numbers and error codes are read, one part in memory at a time. Minimum, maximum and counts are of every input;
the quantiles between are of an even selection once there are more inputs than `_MOST_VALUES`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from nemo_curator import storage
from nemo_curator.report.content import Spread
from nemo_curator.report.verdicts import Positions
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.parts import ERROR, read_part
from nemo_curator.stages.image.io.rows import IDENTITY

_SHARES = (0.05, 0.5, 0.95)
_MOST_VALUES = 250_000
_HEADER = ("width", "height", "bytes")  # columns of every run that rules like to compare


@dataclass(slots=True)
class Survey:
    """What the walk found.

    Attributes:
        starts: Position of the first input of each partition.
        spreads: One for each numeric column.
        stride: The inner quantiles are of every so-many-th input.
        unusable: Error code to the positions of the inputs that have it, codes sorted.
        scores: Names of all score columns, in the order of the parts.
    """

    starts: list[int] = field(default_factory=list)
    spreads: list[Spread] = field(default_factory=list)
    stride: int = 1
    unusable: dict[str, Positions] = field(default_factory=dict)
    scores: list[str] = field(default_factory=list)


def survey(run: RunDirectory, partition_ids: Sequence[str], total: int) -> Survey:
    """Walk over the parts.

    Args:
        run: The run; all its partitions are done.
        partition_ids: Its partitions, in source order.
        total: Number of inputs.

    Raises:
        OSError: A part cannot be read.
    """
    found = Survey(stride=max(1, -(-total // _MOST_VALUES)))
    if not partition_ids:
        return found
    with storage.open(run.part(partition_ids[0])) as file:
        schema = pq.read_schema(file)
    found.scores = [one.name for one in schema if one.name not in IDENTITY and one.name not in ERROR]
    columns = [_Column(one.name) for one in schema if one.name in (*_HEADER, *found.scores) and _is_number(one.type)]
    positions: dict[str, list[int]] = defaultdict(list)
    start = 0
    for partition_id in partition_ids:
        table = read_part(run, partition_id, ["error", *(column.name for column in columns)])
        found.starts.append(start)
        readable = pc.is_null(table["error"]).to_numpy()
        codes = table["error"].take(np.flatnonzero(~readable)).to_pylist()
        for code, row in zip(codes, np.flatnonzero(~readable), strict=True):
            positions[str(code)].append(start + int(row))
        for column in columns:
            column.add(table[column.name], readable, start, found.stride)
        start += table.num_rows
    found.unusable = {code: np.array(positions[code], np.int64) for code in sorted(positions)}
    found.spreads = [column.spread() for column in columns]
    return found


def _is_number(kind: pa.DataType) -> bool:
    return pa.types.is_floating(kind) or pa.types.is_integer(kind)


class _Column:
    """The values of one column, as far as they are kept."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.missing = 0
        self._low: list[float] = []
        self._high: list[float] = []
        self._kept: list[npt.NDArray[np.float64]] = []

    def add(self, values: pa.ChunkedArray[Any], readable: npt.NDArray[np.bool_], start: int, stride: int) -> None:
        """Take in the values of one part, whose first row is at position `start`."""
        numbers = pc.cast(values, pa.float64(), safe=False).to_numpy()  # NULL becomes NaN
        there = readable & ~np.isnan(numbers)
        self.missing += int(np.count_nonzero(readable & ~there))
        if there.any():
            self._low.append(float(numbers[there].min()))
            self._high.append(float(numbers[there].max()))
        selected = (start + np.arange(len(numbers))) % stride == 0
        self._kept.append(numbers[there & selected])

    def spread(self) -> Spread:
        """What the table shows of the column."""
        if not self._low:
            return Spread(self.name, (), self.missing)
        low, high = min(self._low), max(self._high)
        kept = np.concatenate(self._kept)
        # a value that some image has, as `quantile` in a rule gives it
        inner = np.quantile(kept, _SHARES, method="inverted_cdf") if len(kept) else np.array([low, low, high])
        return Spread(self.name, (low, *(float(one) for one in inner), high), self.missing)

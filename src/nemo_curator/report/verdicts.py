"""The verdicts of a run, read so that a million rows cost two bytes each: counts, places, and single rows."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from nemo_curator.runs.deciding.reading import reading_decisions
from nemo_curator.runs.layout import RunDirectory

Positions = npt.NDArray[np.int64]
Group = tuple[str, str]

_ROW = ("image_id", "verdict", "rule", "score", "threshold", "duplicate_of")


class Verdicts:
    """`decisions.parquet` of a run.

    Attributes:
        groups: (verdict, rule or "") of every group of inputs, in order of first appearance.
        numbers: `(N,)` uint16, the index of the group of each input, in source order.
        total: Number of inputs.

    Raises:
        InputError: The run is not decided, or its decisions cannot be read.
    """

    def __init__(self, run: RunDirectory) -> None:
        self._run = run
        self.groups: list[Group] = []
        with reading_decisions(self._run) as file:
            numbers = [self._numbered(batch) for batch in file.iter_batches(columns=["verdict", "rule"])]
        self.numbers = np.concatenate([np.empty(0, np.uint16), *numbers])
        self.total = len(self.numbers)

    def count(self, verdict: str, rule: str | None = None) -> int:
        """Number of inputs of a verdict, by one rule or by any."""
        return int(np.count_nonzero(self._mask(verdict, rule)))

    def positions(self, verdict: str, rule: str | None = None) -> Positions:
        """Places of those inputs in source order, ascending."""
        return np.flatnonzero(self._mask(verdict, rule)).astype(np.int64)

    def rules(self, verdict: str) -> list[str]:
        """Names of the rules behind a verdict, in order of first appearance."""
        return [rule for one, rule in self.groups if one == verdict]

    def rows(self, positions: Collection[int]) -> dict[int, dict[str, Any]]:
        """Position to row of some inputs."""
        wanted = np.unique(np.fromiter(positions, np.int64, len(positions)))
        found: dict[int, dict[str, Any]] = {}
        with reading_decisions(self._run) as file:
            for start, batch in _batches(file, _ROW):
                inside = wanted[(wanted >= start) & (wanted < start + batch.num_rows)]
                if len(inside):
                    rows = batch.take(inside - start).to_pylist()
                    found.update(zip(inside.tolist(), rows, strict=True))
        return found

    def places(self, ids: Sequence[str]) -> dict[str, int]:
        """Id to position, for those of `ids` that are inputs of this run."""
        wanted = pa.array(sorted(set(ids)), pa.string())
        found: dict[str, int] = {}
        if not len(wanted):
            return found
        with reading_decisions(self._run) as file:
            for start, batch in _batches(file, ("image_id",)):
                hits = np.flatnonzero(pc.is_in(batch["image_id"], value_set=wanted).to_numpy(zero_copy_only=False))
                found.update((batch["image_id"][int(hit)].as_py(), start + int(hit)) for hit in hits)
        return found

    def numbers_of(self, verdict: str, rule: str | None = None) -> list[int]:
        """Indexes of the groups of a verdict, by one rule or by any."""
        return [at for at, one in enumerate(self.groups) if one[0] == verdict and rule in {None, one[1]}]

    def distances(self, rule: str) -> tuple[Positions, npt.NDArray[np.float64]]:
        """Places of the duplicates by a rule, and how far each is from the image that stays; NaN where that is none."""
        places, found = [], []
        with reading_decisions(self._run) as file:
            for start, batch in _batches(file, ("verdict", "rule", "score")):
                at = _among(batch, {"verdict": ["duplicate"], "rule": [rule]})
                places.append(start + at)
                found.append(pc.cast(batch["score"], pa.float64()).to_numpy(zero_copy_only=False)[at])
        return np.concatenate([np.empty(0, np.int64), *places]), np.concatenate([np.empty(0), *found])

    def duplicates_of(self, ids: Collection[str], most: int) -> dict[str, tuple[int, list[int]]]:
        """Of some kept images how many duplicate each, and the places of the first of these."""
        found: dict[str, tuple[int, list[int]]] = {}
        with reading_decisions(self._run) as file:
            for start, batch in _batches(file, ("verdict", "duplicate_of")):
                for at in _among(batch, {"verdict": ["duplicate"], "duplicate_of": ids}):
                    kept = str(batch["duplicate_of"][int(at)].as_py())
                    count, first = found.setdefault(kept, (0, []))
                    found[kept] = (count + 1, [*first, start + int(at)] if count < most else first)
        return found

    def _mask(self, verdict: str, rule: str | None) -> npt.NDArray[np.bool_]:
        return np.isin(self.numbers, np.array(self.numbers_of(verdict, rule), np.uint16))

    def _numbered(self, batch: pa.RecordBatch) -> npt.NDArray[np.uint16]:
        """The group of each row, as its index in `groups`."""
        known = {group: number for number, group in enumerate(self.groups)}
        pairs = zip(batch["verdict"].to_pylist(), batch["rule"].to_pylist(), strict=True)
        numbers = [known.setdefault((str(verdict), rule or ""), len(known)) for verdict, rule in pairs]
        self.groups = list(known)
        return np.array(numbers, np.uint16)


def evenly(positions: Positions, most: int) -> list[int]:
    """At most `most` of `positions`, evenly spread, with the first and the last; always the same ones."""
    if len(positions) <= most:
        return [int(one) for one in positions]
    chosen = np.linspace(0, len(positions) - 1, most).round().astype(np.int64) if most > 1 else np.zeros(most, np.int64)
    return [int(one) for one in positions[chosen]]


def _among(batch: pa.RecordBatch, wanted: Mapping[str, Collection[str]]) -> Positions:
    """Places in a batch of the rows whose columns have one of some values each."""
    there = np.ones(batch.num_rows, np.bool_)
    for column, values in wanted.items():
        among = pa.array(sorted(set(values)), pa.string())
        there &= pc.is_in(batch[column], value_set=among).to_numpy(zero_copy_only=False)
    return np.flatnonzero(there).astype(np.int64)


def _batches(file: pq.ParquetFile, columns: Sequence[str]) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Batches with the position of their first row."""
    start = 0
    for batch in file.iter_batches(columns=list(columns)):
        yield start, batch
        start += batch.num_rows

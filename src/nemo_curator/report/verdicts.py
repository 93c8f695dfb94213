"""The verdicts of a run, read once: in memory two bytes an input, and the rest in the database of the page."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from nemo_curator.runs.arrow_arrays import table_of
from nemo_curator.runs.deciding.connection import give
from nemo_curator.runs.deciding.reading import reading_decisions
from nemo_curator.runs.layout import RunDirectory

Positions = npt.NDArray[np.int64]
Group = tuple[str, str]

_COMPARED = ("score", "threshold", "duplicate_of")
_TABLES = """
CREATE TABLE verdicts (__position BIGINT, __group USMALLINT);
CREATE TABLE groups (__group USMALLINT, verdict VARCHAR, rule VARCHAR);
CREATE TABLE compared (__position BIGINT, score DOUBLE, threshold DOUBLE, duplicate_of VARCHAR);
CREATE VIEW decided AS SELECT * FROM verdicts JOIN groups USING (__group) LEFT JOIN compared USING (__position);
"""


class Verdicts:
    """`decisions.parquet` of a run, in its database.

    There it is the view `decided`: `__position`, `__group` (the index of a group), `verdict`, `rule`, and what was
    compared: `score`, `threshold`, `duplicate_of`. Most inputs are kept and have none of these, which takes no room.

    Args:
        run: The run.
        connection: Its database, of which the table `records` is there before `places` is asked. Used by one thread at
            a time.

    Attributes:
        groups: (verdict, rule or "") of every group of inputs, in order of first appearance.
        numbers: `(N,)` uint16, the index of the group of each input, in source order.
        total: Number of inputs.

    Raises:
        InputError: The run is not decided, or its decisions cannot be read.
    """

    def __init__(self, run: RunDirectory, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self.groups: list[Group] = []
        numbers = [np.empty(0, np.uint16)]
        start = 0
        with reading_decisions(run) as file:
            connection.execute(_TABLES)
            for batch in file.iter_batches(columns=["verdict", "rule", *_COMPARED]):
                numbers.append(self._numbered(batch))
                self._put(start, numbers[-1], batch)
                start += batch.num_rows
        connection.execute("DROP VIEW IF EXISTS given")
        for number, (verdict, rule) in enumerate(self.groups):
            connection.execute("INSERT INTO groups VALUES (?, ?, ?)", [number, verdict, rule or None])
        self.numbers = np.concatenate(numbers)
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
        """Position to `verdict`, `rule`, `score`, `threshold` and `duplicate_of` of some inputs."""
        wanted = np.unique(np.fromiter(positions, np.int64, len(positions)))
        give(self._connection, "wanted", table_of({"__position": wanted}))
        rows = self._connection.sql(
            "SELECT __position, verdict, rule, score, threshold, duplicate_of FROM decided "
            "SEMI JOIN wanted USING (__position) ORDER BY __position"
        ).to_arrow_table()
        self._connection.execute("DROP VIEW wanted")
        return {row.pop("__position"): row for row in rows.to_pylist()}

    def places(self, ids: Collection[str]) -> dict[str, int]:
        """Id to position, for those of `ids` that are inputs of this run."""
        rows = self._among(ids, "SELECT image_id, __position FROM records WHERE image_id IN (SELECT id FROM wanted)")
        return {str(image_id): int(position) for image_id, position in rows}

    def numbers_of(self, verdict: str, rule: str | None = None) -> list[int]:
        """Indexes of the groups of a verdict, by one rule or by any."""
        return [at for at, one in enumerate(self.groups) if one[0] == verdict and rule in {None, one[1]}]

    def distances(self, rule: str) -> tuple[Positions, npt.NDArray[np.float64]]:
        """Places of the duplicates by a rule, and how far each is from the image that stays; NaN where that is none."""
        found = self._connection.sql(
            "SELECT __position, score FROM decided WHERE verdict = 'duplicate' AND rule = ? ORDER BY __position",
            params=[rule],
        ).to_arrow_table()
        return found["__position"].to_numpy().astype(np.int64), found["score"].to_numpy().astype(np.float64)

    def duplicates_of(self, ids: Collection[str], most: int) -> dict[str, tuple[int, list[int]]]:
        """Of some kept images how many duplicate each, and the places of the first of these."""
        rows = self._among(
            ids,
            f"SELECT duplicate_of, count(*), list_sort(min(__position, {int(most)})) FROM decided "  # noqa: S608 (an integer)
            "WHERE verdict = 'duplicate' AND duplicate_of IN (SELECT id FROM wanted) GROUP BY duplicate_of",
        )
        return {str(kept): (int(count), list(first)) for kept, count, first in rows}

    def _among(self, ids: Collection[str], query: str) -> list[tuple[Any, ...]]:
        """What a query gives of some ids, which are the table `wanted`."""
        if not ids:
            return []
        give(self._connection, "wanted", pa.table({"id": pa.array(sorted(set(ids)), pa.string())}))
        rows: list[tuple[Any, ...]] = self._connection.execute(query).fetchall()
        self._connection.execute("DROP VIEW wanted")
        return rows

    def _put(self, start: int, numbers: npt.NDArray[np.uint16], batch: pa.RecordBatch) -> None:
        """Put a batch into the database."""
        rows = table_of({"__position": np.arange(start, start + len(numbers)), "__group": numbers.astype(np.int64)})
        for name in _COMPARED:
            rows = rows.append_column(name, pa.chunked_array([batch[name]]))
        give(self._connection, "given", rows)
        self._connection.execute("INSERT INTO verdicts SELECT __position, __group FROM given")
        self._connection.execute(
            "INSERT INTO compared SELECT __position, score, threshold, duplicate_of FROM given "
            "WHERE score IS NOT NULL OR threshold IS NOT NULL OR duplicate_of IS NOT NULL"
        )

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

"""Pairs as a search finds them, in any order, to a sorted file: through a database that spills what is too much."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from nemo_curator import storage
from nemo_curator.runs.arrow_arrays import table_of
from nemo_curator.runs.deciding.connection import connected, first_row, give
from nemo_curator.runs.pairing.pair_file import ROW_GROUP, SCHEMA, PairFacts
from nemo_curator.runs.row_groups import row_groups

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


class PairTable:
    """Pairs on their way to the file.

    Attributes:
        added: How many pairs were added, those that are equal left out.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self._waiting: list[tuple[Ints, Ints, Floats]] = []  # many small blocks are put into the table together
        self._held = 0
        self.added = 0
        connection.execute('CREATE TABLE pairs ("left" BIGINT, "right" BIGINT, distance DOUBLE, equal BOOLEAN)')

    def add(self, one: Ints, other: Ints, distance: Floats) -> None:
        """Add pairs, in either order, each once or more often; of those the nearest counts.

        Args:
            one: `(K,)` positions.
            other: `(K,)` positions.
            distance: `(K,)`.
        """
        self.added += len(one)
        self._held += len(one)
        self._waiting.append((np.minimum(one, other), np.maximum(one, other), distance))
        if self._held >= ROW_GROUP:
            self._take_waiting()

    def add_equal(self, first: Ints, other: Ints) -> None:
        """Add images that are equal to one that comes first.

        Args:
            first: `(K,)` positions.
            other: `(K,)` positions.
        """
        self._insert(first, other, np.zeros(len(first)), equal=True)

    def unite(self) -> None:
        """Of pairs that were added more than once leave the nearest."""
        self._take_waiting()
        self._connection.execute(
            'CREATE TABLE united AS SELECT "left", "right", min(distance) AS distance, bool_or(equal) AS equal '
            'FROM pairs GROUP BY "left", "right"'
        )
        self._connection.execute("DROP TABLE pairs")
        self._connection.execute("ALTER TABLE united RENAME TO pairs")
        (self.added,) = first_row(self._connection, "SELECT count(*) FROM pairs WHERE NOT equal")

    def write(self, url: str, facts: PairFacts) -> None:
        """Write all pairs, sorted.

        Raises:
            StorageError: The file cannot be written.
        """
        self._take_waiting()
        schema = SCHEMA.with_metadata(facts.metadata)
        rows = self._connection.sql('SELECT * FROM pairs ORDER BY "left", "right"')
        with (
            storage.write_atomic(url) as file,
            pq.ParquetWriter(file, schema, compression="zstd", write_page_checksum=True) as writer,
        ):
            for table in row_groups(rows.to_arrow_reader(ROW_GROUP), ROW_GROUP):
                writer.write_table(table.cast(schema), row_group_size=ROW_GROUP)

    def _take_waiting(self) -> None:
        if self._waiting:
            left, right, distance = (np.concatenate(column) for column in zip(*self._waiting, strict=True))
            self._waiting, self._held = [], 0
            self._insert(left, right, distance, equal=False)

    def _insert(self, left: Ints, right: Ints, distance: Floats, *, equal: bool) -> None:
        if not len(left):
            return
        give(self._connection, "given", table_of({"l": left, "r": right, "d": distance}))
        self._connection.execute("INSERT INTO pairs SELECT l, r, d, $1 FROM given", [equal])
        self._connection.execute("DROP VIEW given")


@contextmanager
def pair_table() -> Iterator[PairTable]:
    """A table of pairs; what exceeds the budget goes to temporary files.

    Raises:
        StorageError: There is no room for them.
    """
    with connected() as connection:
        yield PairTable(connection)

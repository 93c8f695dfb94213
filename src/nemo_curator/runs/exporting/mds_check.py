"""One MDS shard against the rows of the Parquet beside it: every value of every sample."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import pyarrow as pa

from nemo_curator.runs.exporting.mds import files_of, mds_columns, mds_values
from nemo_curator.shards.mds_reader import MdsDamageError, MdsFile

Tell = Callable[[str], None]


class MdsCheck:
    """An open shard, compared with rows as they come.

    Args:
        name: What it is called.
        file: The shard.
        schema: The columns of its Parquet.
        tell: Told of every problem.
    """

    def __init__(self, name: str, file: MdsFile, schema: pa.Schema, tell: Tell) -> None:
        self._name, self._file, self._tell = name, file, tell
        self._columns = mds_columns(schema)
        self._next = 0
        self._fits = file.columns == self._columns
        if not self._fits:
            tell(f"{name}: its columns are not those of its rows")

    def rows(self, table: pa.Table, members: list[Any]) -> None:
        """The next rows.

        Args:
            table: All their columns.
            members: The files of each, as delivered.
        """
        for at in range(table.num_rows if self._fits else 0):
            index = self._next + at
            if index < self._file.samples:
                self._sample(index, table.slice(at, 1), members[at])
        self._next += table.num_rows

    def end(self) -> None:
        """There are no more rows."""
        if self._file.samples != self._next:
            self._tell(f"{self._name}: it has {self._file.samples:,} samples, and its Parquet {self._next:,} rows")

    def _sample(self, index: int, row: pa.Table, members: Any) -> None:
        names = row["files"].to_pylist()[0] or []
        try:
            values = self._file.values(index)
            held = dict(files_of(values))
        except (MdsDamageError, ValueError, LookupError, TypeError) as error:
            self._tell(f"{self._name}: sample {index:,} cannot be read ({error})")
            return
        if sorted(held) != sorted(names):
            self._tell(f"{self._name}: sample {index:,} holds other files than its row lists")
            return
        for name, member in zip(names, members or (), strict=False):
            if hashlib.sha256(held[name]).hexdigest() != member["sha256"]:
                self._tell(f"{self._name}, {name}: its bytes do not have the hash that its row lists")
        expected = next(mds_values(row, [[held[name] for name in names]]))
        for column, value in zip(self._columns, expected, strict=True):
            if values[column.name] != value:
                self._tell(f"{self._name}: {column.name} of sample {index:,} is not what its row says")

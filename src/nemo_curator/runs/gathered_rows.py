"""The rows of a partition while it is scored: a million of them must not be a million dictionaries."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa

from nemo_curator.runs.parts import part_table

_AT_ONCE = 10_000  # rows as Python objects, some kilobytes each; packed they take some ten bytes
_PACKING = pa.ipc.IpcWriteOptions(compression="zstd")


class GatheredRows:
    """Rows in, in any order; a table in source order out.

    Args:
        schema: Of the table.

    Attributes:
        count: How many there are so far.
    """

    def __init__(self, schema: pa.Schema) -> None:
        self._schema = schema
        self._rows: list[dict[str, Any]] = []
        self._packed: list[pa.Buffer] = []
        self._ordered, self._last = True, -1
        self.count = 0

    def add(self, rows: Iterable[dict[str, Any]]) -> None:
        """Take in a batch's rows."""
        # in order inside a batch, so that those that are packed together follow one another
        for row in sorted(rows, key=lambda row: row["ordinal"]):
            self._ordered = self._ordered and row["ordinal"] >= self._last
            self._last = row["ordinal"]
            self._rows.append(row)
            self.count += 1
            if len(self._rows) == _AT_ONCE:
                self._packed.append(_packed(part_table(self._rows, self._schema)))
                self._rows = []

    def tables(self) -> Iterator[pa.Table]:
        """All rows so far, in source order, some at a time."""
        pieces = self._in_pieces()
        if self._ordered:
            yield from pieces
        else:
            yield pa.concat_tables(pieces).sort_by("ordinal")

    def _in_pieces(self) -> Iterator[pa.Table]:
        yield from map(_unpacked, self._packed)
        if self._rows or not self._packed:
            yield part_table(self._rows, self._schema)

    def table(self) -> pa.Table:
        """All rows so far, in source order."""
        return pa.concat_tables(self.tables())


def _packed(table: pa.Table) -> pa.Buffer:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=_PACKING) as stream:
        stream.write_table(table)
    return sink.getvalue()


def _unpacked(packed: pa.Buffer) -> pa.Table:
    return pa.ipc.open_stream(packed).read_all()

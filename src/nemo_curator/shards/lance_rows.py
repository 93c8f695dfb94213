"""Rows of a Lance data set, each of which is the files of one sample.

Lance keeps blobs beside its tables, and lets a row name a file anywhere instead of holding one. Such a file is never
opened: the row has no image then. Rows are read by the library, some at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import groupby
from typing import Any

import pyarrow as pa

from nemo_curator.shards.lance_fragments import ROWS, Range, open_lance, told
from nemo_curator.shards.names import to_text
from nemo_curator.shards.parquet_rows import Row, row_of
from nemo_curator.shards.parquet_schema import ImageColumns, image_columns
from nemo_curator.shards.rows_in_order import RowsInOrder

_AT_ONCE = 8  # rows of a batch
_BUFFER = 1 << 26  # bytes that the library reads ahead at most
_ELSEWHERE = 3  # kind of a blob that is a file of its own, by its URI


class LanceRows:
    """The rows of a range. Of one thread.

    Args:
        dataset: The data set, of the range's version.
        fragment: The fragment.
        start: The first row.
        columns: Which of its columns make samples.

    Attributes:
        count: How many rows it has.
    """

    def __init__(self, dataset: Any, fragment: Any, start: int, columns: ImageColumns) -> None:
        self._dataset, self._fragment, self._start, self._columns = dataset, fragment, start, columns
        self.count: int = min(ROWS, max(0, fragment.count_rows() - start))
        self._blobs = _blobs(dataset)
        self._rows = RowsInOrder(self.read_from)

    def excess(self) -> str:
        """Why the range is not read: never."""
        return ""

    def read_from(self, row: int = 0) -> Iterator[Row]:
        """The rows from one on, as far as there are any.

        Raises:
            pyarrow.ArrowException: They cannot be read.
        """
        if row >= self.count:
            return
        elsewhere = self._elsewhere(row)
        number = row
        for outside, its in groupby(elsewhere, bool):
            uris = list(its)
            for at, batch in enumerate(self._batches(number, len(uris), without_blobs=outside)):
                found = row_of(number + at, batch, self._columns)
                yield replace(found, outside=uris[at]) if outside and found.primary < 0 else found
            number += len(uris)

    def row(self, number: int) -> Row | None:
        """One row; None where there is none. Rows that are asked for in order are read in one go.

        Raises:
            pyarrow.ArrowException: As `read_from`.
        """
        return self._rows.row(number)

    def _elsewhere(self, row: int) -> list[str]:
        """The URI of a blob of each row from one on that lies outside of the data set; "" where there is none."""
        names = [name for name in self._columns.read if name in self._blobs]
        found = [""] * (self.count - row)
        if not names:
            return found
        with told():
            table = self._scan(names, row, self.count - row, blob_handling="all_descriptions").to_table()
        for name in names:
            for at, one in enumerate(table[name].to_pylist()):
                if isinstance(one, dict) and one.get("kind", 0) >= _ELSEWHERE and not found[at]:
                    found[at] = to_text(str(one.get("blob_uri") or "")) or "without a name"
        return found

    def _batches(self, row: int, count: int, *, without_blobs: bool) -> Iterator[pa.RecordBatch]:
        """Batches of one row each."""
        names = [name for name in self._columns.read if not (without_blobs and name in self._blobs)]
        left = count
        if not names:
            names = [next(name for name in self._dataset.schema.names if name not in self._blobs)]
        with told():
            batches = iter(self._scan(names, row, count, blob_handling="all_binary").to_batches())
        while left:
            with told():
                batch = next(batches, None)
                if batch is None or batch.num_rows > left:
                    raise pa.ArrowInvalid("it has other rows than it says")
                batch.validate(full=True)
            if without_blobs:
                for name in self._blobs.intersection(self._columns.read):
                    batch = batch.append_column(name, pa.nulls(batch.num_rows, pa.large_binary()))
            left -= batch.num_rows
            yield from (batch.slice(at, 1) for at in range(batch.num_rows))

    def _scan(self, names: list[str], row: int, count: int, **options: Any) -> Any:
        return self._dataset.scanner(
            columns=names,
            fragments=[self._fragment],
            offset=self._start + row,
            limit=count,
            batch_size=_AT_ONCE,
            batch_readahead=1,
            fragment_readahead=1,
            io_buffer_size=_BUFFER,
            scan_in_order=True,
            **options,
        )


@contextmanager
def open_lance_rows(location: str) -> Iterator[LanceRows | None]:
    """Open a range of rows; None where the data set has no column of images.

    Args:
        location: As `Range.location`.

    Raises:
        pyarrow.ArrowException: It cannot be opened.
        MissingExtraError: The package is not installed.
    """
    with told():
        one = Range.of(location)
        dataset = open_lance(one.place, one.version or None)  # no version: it could not be listed, and says why again
        if not one.version:
            raise pa.ArrowInvalid("it could not be read when it was listed")
        fragment = dataset.get_fragment(one.fragment)
        if fragment is None:
            raise pa.ArrowInvalid(f"version {one.version} has no fragment {one.fragment}")
        schema = dataset.scanner(blob_handling="all_binary").projected_schema
        columns = image_columns(schema, schema.metadata)
        rows = None if columns is None else LanceRows(dataset, fragment, one.start, columns)
    yield rows


def _blobs(dataset: Any) -> frozenset[str]:
    """Columns whose values lie beside the table: those that the library describes instead of reading them."""
    plain = {one.name: one.type for one in dataset.scanner(blob_handling="all_binary").projected_schema}
    described = dataset.scanner(blob_handling="all_descriptions").projected_schema
    return frozenset(one.name for one in described if one.type != plain.get(one.name))

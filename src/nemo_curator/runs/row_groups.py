"""Rows in groups of one size, however they come, so that equal rows are equal bytes of a Parquet file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pyarrow as pa


def row_groups(pieces: Iterable[pa.Table | pa.RecordBatch], size: int) -> Iterator[pa.Table]:
    """The same rows in tables of `size` rows, the last one shorter; each of one chunk, for pages end with chunks.

    Args:
        pieces: Tables or batches that follow one another.
        size: Rows of a group.

    Yields:
        Tables that are not empty, but for one where there were pieces and none had a row.
    """
    held: list[pa.Table] = []
    rows, empty = 0, True
    for piece in pieces:
        held.append(piece if isinstance(piece, pa.Table) else pa.Table.from_batches([piece]))
        rows += piece.num_rows
        while rows >= size:
            whole = pa.concat_tables(held)
            yield whole.slice(0, size).combine_chunks()
            held, rows, empty = [whole.slice(size)], rows - size, False
    if held and (rows or empty):
        yield pa.concat_tables(held).combine_chunks()

"""Rows in groups of one size: the same groups, and the same bytes, however the rows come."""

from __future__ import annotations

import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nemo_curator.runs.row_groups import row_groups


def table(rows):
    """Some rows with strings that repeat, so that pages have dictionaries."""
    names = [f"{row % 700:05}" for row in range(rows)]
    return pa.table({"id": pa.array(names, pa.string()), "at": pa.array(range(rows), pa.int64())})


def written(groups):
    """The bytes of a Parquet of such groups."""
    file = io.BytesIO()
    with pq.ParquetWriter(file, table(0).schema) as writer:
        for group in groups:
            writer.write_table(group, row_group_size=1000)
    return file.getvalue()


@pytest.mark.parametrize("step", [1, 7, 999, 1000, 1001, 5000])
def test_bytes_do_not_depend_on_the_pieces(step):
    """A database gives batches whose sizes depend on its threads; the file does not."""
    whole = table(4321)
    pieces = [whole.slice(start, step) for start in range(0, len(whole), step)]
    assert written(row_groups(pieces, 1000)) == written(row_groups([whole], 1000))
    batches = [batch for piece in pieces for batch in piece.to_batches()]
    assert written(row_groups(batches, 1000)) == written(row_groups([whole], 1000))


@given(st.lists(st.integers(0, 9), max_size=8), st.integers(1, 12))
def test_nothing_is_lost(sizes, size):
    """All rows, in their order, in groups that are full but for the last, each of one chunk."""
    whole = table(sum(sizes))
    starts = [sum(sizes[:at]) for at in range(len(sizes))]
    groups = list(row_groups([whole.slice(*one) for one in zip(starts, sizes, strict=True)], size))
    assert all(len(group) == size for group in groups[:-1])
    assert all(column.num_chunks <= 1 for group in groups for column in group.columns)
    assert len(groups) == (max(1, -(-len(whole) // size)) if sizes else 0)
    assert not groups or pa.concat_tables(groups).equals(whole)

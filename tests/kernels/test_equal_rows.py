"""Equal rows are found, and only those."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from tests.kernels.vectors import clustered

from nemo_curator.kernels import equal_rows
from nemo_curator.kernels.equal_rows import first_equal
from nemo_curator.kernels.rows import ArrayRows


@given(st.integers(0, 80), st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_the_first_equal_row_is_that_of_the_definition(count, dimension, seed):
    """Among small whole numbers, minus zero among them, many rows are equal."""
    data = np.random.default_rng(seed).choice(np.array([-1, -0.0, 0.0, 1], np.float32), (count, dimension))
    expected = [next(other for other in range(count) if (data[other] == data[row]).all()) for row in range(count)]
    assert first_equal(ArrayRows([data])).tolist() == expected


def test_copies_over_blocks_and_files(monkeypatch):
    """Half precision in one file equals the same numbers in another; blocks do not matter."""
    data = clustered(300, 16, copies=0, dtype=np.float16)
    rows = ArrayRows([data, data[::-1].astype(np.float32)])
    expected = [*range(300), *range(299, -1, -1)]
    assert first_equal(rows).tolist() == expected
    monkeypatch.setattr(equal_rows, "_BLOCK", 16 * 7)
    assert first_equal(rows).tolist() == expected


def test_equal_marks_alone_do_not_make_rows_equal(monkeypatch):
    """Rows whose marks are all the same are compared number by number with the first of them."""
    data = np.repeat(clustered(3, 8, copies=0), 2, axis=0)
    monkeypatch.setattr(equal_rows, "_marks", lambda block, _: np.zeros(len(block), np.uint64))
    assert first_equal(ArrayRows([data])).tolist() == [0, 0, 2, 3, 4, 5]

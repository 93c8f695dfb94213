"""Rows that are equal, number by number.

A set with many copies of one row has as many pairs as the square of their number. Who groups equal rows first, and
looks for pairs among the first of each alone, is spared these.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nemo_curator.kernels.rows import Float32, Int64, Rows

_BLOCK = 2_000_000  # numbers of the rows that are in memory together

Marks = npt.NDArray[np.uint64]


def first_equal(rows: Rows) -> Int64:
    """For each row the number of the first row that is equal to it: its own where there is none before.

    Rows are told apart by a mark of 64 bits each; those with equal marks are compared. A row whose mark is by chance
    that of another is taken for its own, which costs pairs and loses none. Zero and minus zero are equal; NaN equals
    NaN of the same bits.

    Args:
        rows: N of them.

    Returns:
        `(N,)`.
    """
    step = max(1, _BLOCK // max(1, rows.dimension))
    weights = np.random.default_rng(0).integers(2**63, size=rows.dimension, dtype=np.uint64) * 2 + 1
    marks = np.empty(len(rows), np.uint64)
    for start in range(0, len(rows), step):
        block = rows.block(start, min(start + step, len(rows)))
        marks[start : start + len(block)] = _marks(block, weights)
    order = np.argsort(marks, kind="stable")
    leads = np.flatnonzero(np.diff(marks[order], prepend=~marks[order[:1]]) != 0)
    first = np.empty(len(rows), np.int64)
    first[order] = np.repeat(order[leads], np.diff(np.append(leads, len(rows))))
    followers = np.flatnonzero(first != np.arange(len(rows)))
    for start in range(0, len(followers), step):
        some = followers[start : start + step]
        same = (_bits(rows.take(some)) == _bits(rows.take(first[some]))).all(axis=1)
        first[some[~same]] = some[~same]
    return first


def _bits(block: Float32) -> npt.NDArray[np.uint32]:
    return (block + np.float32(0)).view(np.uint32)  # minus zero becomes zero


def _marks(block: Float32, weights: Marks) -> Marks:
    mixed = _bits(block).astype(np.uint64)
    mixed *= weights
    mixed ^= mixed >> np.uint64(32)
    marks: Marks = mixed.sum(axis=1, dtype=np.uint64)
    return marks

"""Which rows of a cluster duplicate which, where an earlier row is preferred to a later one.

Rows are taken in their order. A row is a duplicate if one that was kept before it is near enough, and of the kept ones
it is a duplicate of the nearest. So what a row duplicates is really kept, and a chain of look-alikes never removes a
row whose only match is itself removed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nemo_curator.kernels.nearest import exact_cosines
from nemo_curator.kernels.rows import Float32, Float64, Int64
from nemo_curator.kernels.similar import margin, unit

_EXACT_AT_ONCE = 2_000_000  # numbers that the exact look widens together

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class ClusterDuplicates:
    """What was found of each row of a cluster.

    Attributes:
        nearest: `(N,)`, the most similar earlier row, kept or not; of equally similar ones the first; -1 of the first
            row.
        cosines: `(N,)`, how similar; NaN of the first row.
        kept: `(N,)`, the kept row that this one duplicates; -1 where it is kept itself.
        similarity: `(N,)`, how similar to that; NaN where it is kept.
    """

    nearest: Int64
    cosines: Float64
    kept: Int64
    similarity: Float64


def cluster_duplicates(rows: Float32, least: float | None, batch: int = 1024) -> ClusterDuplicates:
    """Compare each row with all before it.

    Args:
        rows: `(N, D)`, preferred ones first; finite and not zeros.
        least: Cosine from which a row is a duplicate, inclusive; None finds none. Equal rows have a cosine of 1.
        batch: Rows that are compared at once; it changes nothing in the result.
    """
    found = ClusterDuplicates(
        np.full(len(rows), -1), np.full(len(rows), np.nan), np.full(len(rows), -1), np.full(len(rows), np.nan)
    )
    first = _first_equal(rows)
    distinct = np.unique(first)  # of equal rows the first alone is looked at: it is at least as good a match
    scaled = unit(rows).unit
    off = margin(rows.shape[1])
    for start in range(0, len(rows), batch):
        stop = min(start + batch, len(rows))
        columns = distinct[: np.searchsorted(distinct, stop)]
        rough = scaled[start:stop] @ scaled[columns].T
        rough[columns[None, :] >= np.arange(start, stop)[:, None]] = -np.inf
        best = rough.max(axis=1, initial=-np.inf)
        near = (rough >= (best - 2 * off)[:, None]) & np.isfinite(rough)
        at, of, cosines = _exactly(rows, first, columns, near, start)
        _note_nearest(found, at, of, cosines)
        if least is not None:
            # rows that are duplicates themselves are of no interest; of those in this batch it is not known yet
            open_columns = (found.kept[columns] < 0) | (columns >= start)
            at, of, cosines = _exactly(rows, first, columns, (rough >= least - off) & open_columns, start)
            near_enough = cosines >= least
            _note_kept(found, at[near_enough], of[near_enough], cosines[near_enough])
    return found


def _first_equal(rows: Float32) -> Int64:
    """For each row the number of the first that is equal to it, byte by byte."""
    whole = np.ascontiguousarray(rows).view(np.dtype((np.void, rows.shape[1] * rows.itemsize))).ravel()
    _, first, back = np.unique(whole, return_index=True, return_inverse=True)
    return first[back]


def _exactly(rows: Float32, first: Int64, columns: Int64, which: Mask, start: int) -> tuple[Int64, Int64, Float64]:
    """Numbers and cosines of the pairs of a mask, by row and then column."""
    at, of = np.nonzero(which)
    at, of = at + start, columns[of]
    cosines = np.empty(len(at))
    step = max(1, _EXACT_AT_ONCE // max(1, rows.shape[1]))
    for begin in range(0, len(at), step):
        piece = slice(begin, begin + step)
        cosines[piece] = exact_cosines(rows[at[piece]], rows[of[piece]])
    cosines[first[at] == of] = 1.0
    return at, of, cosines


def _note_nearest(found: ClusterDuplicates, at: Int64, of: Int64, cosines: Float64) -> None:
    order = np.lexsort((of, -cosines, at))
    leading = order[np.flatnonzero(np.diff(at[order], prepend=-1))]
    found.nearest[at[leading]], found.cosines[at[leading]] = of[leading], cosines[leading]


def _note_kept(found: ClusterDuplicates, at: Int64, of: Int64, cosines: Float64) -> None:
    """Decide the rows of some pairs in their order; all rows before them are decided."""
    order = np.lexsort((of, -cosines, at))  # of each row the nearest first
    for pair in order.tolist():
        row, other = int(at[pair]), int(of[pair])
        if found.kept[row] < 0 and found.kept[other] < 0:
            found.kept[row], found.similarity[row] = other, cosines[pair]

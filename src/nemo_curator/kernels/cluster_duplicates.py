"""Which rows of a cluster duplicate which, where an earlier row is preferred to a later one.

Rows are taken in their order. A row is a duplicate if one that was kept before it is near enough, and of the kept ones
it is a duplicate of the nearest. So what a row duplicates is really kept, and a chain of look-alikes never removes a
row whose only match is itself removed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nemo_curator.kernels.directions import directions
from nemo_curator.kernels.pair_cosines import pair_cosines
from nemo_curator.kernels.rows import ArrayRows, Float32, Float64, Int64
from nemo_curator.kernels.similar import margin

_DECIDED_AT_ONCE = 128  # rows that wait for one another


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
    scaled = directions(rows).unit()
    others = scaled if len(distinct) == len(rows) else scaled[distinct]
    off = margin(rows.shape[1])
    for start in range(0, len(rows), batch):
        stop = min(start + batch, len(rows))
        before, count = np.searchsorted(distinct, [start, stop])
        columns = distinct[:count]
        rough = scaled[start:stop] @ others[:count].T
        rough[:, before:][columns[None, before:] >= np.arange(start, stop)[:, None]] = -np.inf
        best = rough.max(axis=1, initial=-np.inf)
        at, of = np.nonzero((rough >= (best - 2 * off)[:, None]) & np.isfinite(best)[:, None])
        at, of = at + start, columns[of]
        cosines = _exactly(rows, first, at, of)
        leading = _leading(at, of, cosines)
        found.nearest[at[leading]], found.cosines[at[leading]] = of[leading], cosines[leading]
        if least is not None:
            for begin in range(start, stop, _DECIDED_AT_ONCE):
                piece = rough[begin - start : begin - start + _DECIDED_AT_ONCE]
                block = _Block(rows, first, columns, piece, begin)
                _note_earlier(found, block, least, off)
                _note_among(found, block, least, off)
    return found


@dataclass(frozen=True, slots=True)
class _Block:
    """Rows to be decided, and how similar they roughly are to all before them.

    Attributes:
        rows: `(N, D)`, all rows.
        first: `(N,)`, the first row that is equal to each.
        columns: `(C,)`, distinct rows, ascending.
        rough: `(B, C)`, rough cosines; -inf where a column is no earlier row.
        begin: The first row of the block.
    """

    rows: Float32
    first: Int64
    columns: Int64
    rough: Float32
    begin: int

    def exactly(self, at: Int64, of: Int64) -> Float64:
        """Cosines of pairs of a row of the block, counted from its beginning, and any row."""
        return _exactly(self.rows, self.first, at + self.begin, of)


def _first_equal(rows: Float32) -> Int64:
    """For each row the number of the first that is equal to it, byte by byte."""
    whole = np.ascontiguousarray(rows).view(np.dtype((np.void, rows.shape[1] * rows.itemsize))).ravel()
    _, first, back = np.unique(whole, return_index=True, return_inverse=True)
    return first[back]


def _exactly(rows: Float32, first: Int64, at: Int64, of: Int64) -> Float64:
    """Cosines of pairs of a row and an earlier one; of equal ones exactly 1."""
    cosines = pair_cosines(ArrayRows([rows]), at, of)
    cosines[first[at] == of] = 1.0
    return cosines


def _leading(at: Int64, of: Int64, cosines: Float64) -> Int64:
    """Numbers of the pairs that are the most similar of their row; of equally similar ones the first column."""
    order = np.lexsort((of, -cosines, at))
    return order[np.flatnonzero(np.diff(at[order], prepend=-1))]


def _note_earlier(found: ClusterDuplicates, block: _Block, least: float, off: float) -> None:
    """Note which rows duplicate one that was kept before their block; the others are open."""
    before = int(np.searchsorted(block.columns, block.begin))
    kept = np.flatnonzero(found.kept[block.columns[:before]] < 0)
    rough = block.rough[:, :before] if len(kept) == before else block.rough[:, kept]
    at, of = np.nonzero(rough >= least - off)
    best = np.full(len(rough), -np.inf)
    np.maximum.at(best, at, rough[at, of])
    # they alone are looked at exactly: if none is near enough, no other is
    nearest = rough[at, of] >= best[at] - 2 * off
    at, of = at[nearest], block.columns[kept[of[nearest]]]
    cosines = block.exactly(at, of)
    leading = _leading(at, of, cosines)
    leading = leading[cosines[leading] >= least]
    rows = at[leading] + block.begin
    found.kept[rows], found.similarity[rows] = of[leading], cosines[leading]


def _note_among(found: ClusterDuplicates, block: _Block, least: float, off: float) -> None:
    """Decide the open rows of a block in their order, and note which other rows of it duplicate those that are kept."""
    stop = block.begin + len(block.rough)
    inside = slice(*np.searchsorted(block.columns, [block.begin, stop]))
    still_open = found.kept[block.columns[inside]] < 0  # what duplicates an earlier row can be duplicated by none
    columns = block.columns[inside][still_open]
    at, of = np.nonzero(block.rough[:, inside][:, still_open] >= least - off)
    similar = np.full((len(block.rough), len(columns)), -np.inf)
    similar[at, of] = block.exactly(at, columns[of])
    similar[similar < least] = -np.inf
    kept, similarity = found.kept[block.begin : stop], found.similarity[block.begin : stop]  # views
    for number in np.unique(of).tolist():
        if found.kept[columns[number]] < 0:
            nearer = similar[:, number] > np.where(kept < 0, -np.inf, similarity)
            kept[nearer], similarity[nearer] = columns[number], similar[nearer, number]

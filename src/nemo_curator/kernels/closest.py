"""The centroids closest to each row, exactly.

A matrix product in single precision tells all but a few apart, and how far it may be off is known. What it leaves open
is computed once more in double precision, row by row. So the answer depends on the numbers alone: not on the library
that multiplies, on its threads, or on how the rows come in blocks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nemo_curator.kernels.rows import Float32, Float64, Int32

_AT_ONCE = 4_000_000  # products of the rough look that are in memory together: they stay in a core's cache
_EXACT_AT_ONCE = 2_000_000  # numbers that the exact look widens together
_GROUP = 16  # centroids of which first only the best is looked at


@dataclass(frozen=True, slots=True)
class Centroids:
    """Points, and what is taken off the product with each: a row is closest where product minus offset is largest.

    Attributes:
        points: `(K, D)`.
        offsets: `(K,)`: half the squared length for Euclidean distance, zeros for the angle.
    """

    points: Float32
    offsets: Float64

    @classmethod
    def euclidean(cls, points: Float32) -> Centroids:
        """Close is near: the smallest distance, and it does not matter how long the points are."""
        wide = points.astype(np.float64)
        return cls(points, (wide * wide).sum(axis=1) / 2)

    @classmethod
    def angular(cls, points: Float32) -> Centroids:
        """Close is a small angle; the points are of unit length."""
        return cls(points, np.zeros(len(points)))


@dataclass(frozen=True, slots=True)
class Closest:
    """Which centroids are close to each row.

    Attributes:
        first: `(N,)`, the closest; of equal ones the first.
        some: `(N, count)`, the closest ones, ascending by number; the closest is among them.
    """

    first: Int32
    some: Int32


def closest(rows: Float32, centroids: Centroids, count: int = 1) -> Closest:
    """The centroids closest to each row.

    Args:
        rows: `(N, D)`; of a row that holds NaN or infinity nothing is said but that the numbers are valid.
        centroids: K of them.
        count: How many, at most K.
    """
    if count == 1:
        centroids, numbers = _distinct(centroids)
        first = numbers[_closest(rows, centroids, 1).first]
        return Closest(first, first[:, None])
    return _closest(rows, centroids, min(count, len(centroids.points)))


def _distinct(centroids: Centroids) -> tuple[Centroids, Int32]:
    """The first of all that are equal, and their numbers: else rows near to many equals would be compared with each."""
    points = np.ascontiguousarray(centroids.points)
    whole = points.view(np.dtype((np.void, points.shape[1] * points.itemsize))).ravel()
    numbers = np.sort(np.unique(whole, return_index=True)[1]).astype(np.int32)
    if len(numbers) == len(points):
        return centroids, numbers
    return Centroids(points[numbers], centroids.offsets[numbers]), numbers


def _closest(rows: Float32, centroids: Centroids, count: int) -> Closest:
    number = len(centroids.points)
    first, some = np.zeros(len(rows), np.int32), np.zeros((len(rows), count), np.int32)
    step = max(1, _AT_ONCE // max(1, number))
    rough = np.empty((min(step, len(rows)), number), np.float32)
    offsets = centroids.offsets.astype(np.float32)
    transposed = centroids.points.T
    reach, descending = _Reach(centroids), -np.arange(number, dtype=np.float32)
    for start in range(0, len(rows), step):
        block = rows[start : start + step]
        product = np.matmul(block, transposed, out=rough[: len(block)])
        if offsets.any():
            product -= offsets
        margin = reach.of(block)
        product[margin == 0] = descending  # zeros: all are equally close
        first[start : start + step] = _first(block, centroids, product, margin)
        if count > 1:
            some[start : start + step] = _some(block, centroids, product, margin, count)
    return Closest(first, some if count > 1 else first[:, None])


def exact_scores(rows: Float32, centroids: Centroids, at: npt.NDArray[np.int64], of: npt.NDArray[np.int64]) -> Float64:
    """Product minus offset of pairs of a row and a centroid, in double precision, each for itself.

    Args:
        rows: `(N, D)`.
        centroids: K of them.
        at: `(P,)`, numbers of rows.
        of: `(P,)`, numbers of centroids.

    Returns:
        `(P,)`.
    """
    scores = np.empty(len(at))
    step = max(1, _EXACT_AT_ONCE // max(1, rows.shape[1]))
    for start in range(0, len(at), step):
        piece = slice(start, start + step)
        product = rows[at[piece]].astype(np.float64)
        product *= centroids.points[of[piece]]
        scores[piece] = product.sum(axis=1) - centroids.offsets[of[piece]]
    return scores


class _Reach:
    """How far a rough score may be from the exact one.

    Source: Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., 3.1: the error of a sum of D rounded
    products is at most D u / (1 - D u) times the lengths of the two vectors, in whatever order they are summed.
    """

    def __init__(self, centroids: Centroids) -> None:
        wide = centroids.points.astype(np.float64)
        self._length = float(np.sqrt((wide * wide).sum(axis=1).max(initial=0.0)))
        self._offset = float(np.abs(centroids.offsets).max(initial=0.0))
        self._unit = (centroids.points.shape[1] + 8) * 2.0**-24

    def of(self, rows: Float32) -> Float32:
        lengths = np.sqrt(np.einsum("ij,ij->i", rows, rows))
        margin: Float32 = ((lengths * self._length + self._offset) * self._unit).astype(np.float32)
        return margin


def _first(rows: Float32, centroids: Centroids, rough: Float32, margin: Float32) -> Int32:
    best, every = rough.argmax(axis=1), np.arange(len(rows))
    top = rough[every, best]
    bound = top - 2 * margin
    rough[every, best] = -np.inf
    open_rows = np.flatnonzero(rough.max(axis=1) >= bound)
    rough[every, best] = top
    if len(open_rows):
        at, of = np.nonzero(rough[open_rows] >= bound[open_rows, None])
        at = open_rows[at]
        order = np.lexsort((of, -exact_scores(rows, centroids, at, of), at))
        leading = order[np.flatnonzero(np.diff(at[order], prepend=-1))]
        best[at[leading]] = of[leading]
    found: Int32 = best.astype(np.int32)
    return found


def _some(rows: Float32, centroids: Centroids, rough: Float32, margin: Float32, count: int) -> Int32:
    at, of = np.nonzero(rough >= (_floor(rough, count) - 2 * margin)[:, None])
    # what is left are a few more than are wanted of each row: side by side, so that each row's last can be told
    starts = np.searchsorted(at, np.arange(len(rows) + 1))
    place = np.arange(len(at)) - starts[at]
    beside = np.full((len(rows), max(count, int(np.diff(starts).max(initial=0)))), -np.inf, np.float32)
    beside[at, place] = rough[at, of]
    last = np.partition(beside, beside.shape[1] - count, axis=1)[:, beside.shape[1] - count]
    near = rough[at, of] >= (last - 2 * margin)[at]
    at, of = at[near], of[near]
    numbers = np.bincount(at, minlength=len(rows))
    open_pairs = (numbers > count)[at]
    kept = ~open_pairs
    if open_pairs.any():
        which = np.flatnonzero(open_pairs)
        order = which[np.lexsort((of[which], -exact_scores(rows, centroids, at[which], of[which]), at[which]))]
        begin = np.flatnonzero(np.diff(at[order], prepend=-1))
        rank = np.arange(len(order)) - np.repeat(begin, np.diff(np.append(begin, len(order))))
        kept[order[rank < count]] = True
    some = np.zeros((len(rows), count), np.int32)
    at, of = at[kept], of[kept]
    starts = np.searchsorted(at, np.arange(len(rows) + 1))
    some[at, np.arange(len(at)) - starts[at]] = of  # a row with NaN keeps zeros
    return some


def _floor(rough: Float32, count: int) -> Float32:
    """For each row a number that at least `count` of its scores reach: the `count`-th best of the bests of groups."""
    groups = rough.shape[1] // _GROUP
    if groups < 2 * count:
        least: Float32 = np.partition(rough, rough.shape[1] - count, axis=1)[:, rough.shape[1] - count]
        return least
    bests = rough[:, : groups * _GROUP].reshape(len(rough), _GROUP, groups).max(axis=1)
    floor: Float32 = np.partition(bests, groups - count, axis=1)[:, groups - count]
    return floor

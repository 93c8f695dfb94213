"""Where k-means begins: rows far apart, or rows by chance.

Distances are computed in double precision, row by row, so that the draw depends on rows and seed alone.

Sources: D. Arthur and S. Vassilvitskii, k-means++: the advantages of careful seeding, SODA 2007 (with several tries a
step, as section 6 proposes); B. Bahmani, B. Moseley, A. Vattani, R. Kumar and S. Vassilvitskii, Scalable k-means++,
PVLDB 5 (7), 2012.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from nemo_curator.kernels.closest import Centroids, closest
from nemo_curator.kernels.in_order import in_order
from nemo_curator.kernels.rows import ArrayRows, Float32, Float64, Int64, Rows

Init = Literal["k-means++", "k-means||", "random"]

_ROUNDS = 5  # of k-means||, as in its paper
_OVERSAMPLING = 2.0  # rows drawn in a round, as a multiple of the clusters
_BLOCK = 2_000_000  # numbers of the rows that are in memory together, for each thread
_TRIES_BELOW = 2e10  # multiplications that several tries a step may cost


def seeds(rows: Rows, count: int, init: Init | Float32, random: np.random.Generator, threads: int = 1) -> Float32:
    """The first centroids.

    Args:
        rows: N finite rows.
        count: How many, at most N.
        init: How, or the centroids themselves.
        random: Where chance comes from.
        threads: Threads that look at blocks.

    Returns:
        `(count, D)`.

    Raises:
        ValueError: Given centroids are of another shape, or not finite; or the way is unknown.
    """
    if not isinstance(init, str):
        given = np.ascontiguousarray(init, np.float32)
        if given.shape != (count, rows.dimension) or not np.isfinite(given).all():
            raise ValueError(
                f"the given centroids are {given.shape}; {count} finite ones of {rows.dimension} numbers are needed"
            )
        return given
    if init == "random":
        return rows.take(np.sort(random.choice(len(rows), count, replace=False)))
    if init == "k-means++":
        return rows.take(_plus_plus(rows, np.ones(len(rows)), count, random, threads))
    if init == "k-means||":
        return _parallel(rows, count, random, threads)
    raise ValueError(f"init is 'k-means++', 'k-means||', 'random' or an array, not {init!r}")


def _plus_plus(rows: Rows, weights: Float64, count: int, random: np.random.Generator, threads: int) -> Int64:
    """Numbers of rows, each drawn by its weight and the square of its distance to those drawn before."""
    work = float(len(rows)) * rows.dimension * count
    tries = min(2 + int(np.log(count)), max(1, int(_TRIES_BELOW / work)))
    picked = [_drawn(weights, random)]
    nearest = _distances(rows, rows.take(np.array(picked)), threads)[0]
    while len(picked) < count:
        chances = nearest * weights
        if not chances.sum() > 0:  # fewer rows differ than are wanted
            picked += _others(len(rows), picked, count - len(picked))
            break
        candidates = [_drawn(chances, random) for _ in range(tries)]
        away = np.minimum(_distances(rows, rows.take(np.array(candidates)), threads), nearest)
        best = int(np.argmin((away * weights).sum(axis=1)))
        picked.append(candidates[best])
        nearest = away[best]
    return np.array(picked, np.int64)


def _others(number: int, picked: list[int], wanted: int) -> list[int]:
    left = np.ones(number, np.bool_)
    left[picked] = False
    return [int(row) for row in np.flatnonzero(left)[:wanted]]


def _parallel(rows: Rows, count: int, random: np.random.Generator, threads: int) -> Float32:
    """Rows drawn a few hundred at a time, then k-means++ among them, each weighed by the rows that it is nearest to."""
    picked = [int(random.integers(len(rows)))]
    nearest = _distances(rows, rows.take(np.array(picked)), threads)[0]
    labels = np.zeros(len(rows), np.int64)
    for _ in range(_ROUNDS):
        total = nearest.sum()
        if not total > 0:
            break
        drawn = np.flatnonzero(random.random(len(rows)) * total < _OVERSAMPLING * count * nearest)
        if not len(drawn):
            continue
        _take_nearer(rows, drawn, len(picked), nearest, labels, threads)
        picked += drawn.tolist()
    candidates = np.array(sorted(set(picked)), np.int64)
    if len(candidates) <= count:
        missing = _others(len(rows), candidates.tolist(), count - len(candidates))
        return rows.take(np.sort(np.concatenate([candidates, np.array(missing, np.int64)])))
    weights = np.zeros(len(rows))
    np.add.at(weights, np.array(picked)[labels], 1.0)
    among = rows.take(candidates)
    return among[_plus_plus(ArrayRows([among]), weights[candidates], count, random, threads)]


def _take_nearer(rows: Rows, drawn: Int64, before: int, nearest: Float64, labels: Int64, threads: int) -> None:
    """Note, for every row, the distance to the nearest of those drawn now and its number, where it is nearer."""
    points = rows.take(drawn)
    centroids = Centroids.euclidean(points)
    step = _step(rows)

    def look(start: int) -> tuple[int, Int64, Float64]:
        block = rows.block(start, min(start + step, len(rows)))
        first = closest(block, centroids).first.astype(np.int64)
        away = block.astype(np.float64)
        away -= points[first]
        return start, first, (away * away).sum(axis=1)

    for start, first, distances in in_order(look, range(0, len(rows), step), threads):
        piece = slice(start, start + len(first))
        nearer = distances < nearest[piece]
        labels[piece] = np.where(nearer, first + before, labels[piece])
        nearest[piece] = np.where(nearer, distances, nearest[piece])


def _drawn(chances: Float64, random: np.random.Generator) -> int:
    sums = np.cumsum(chances)
    return min(int(np.searchsorted(sums, random.random() * sums[-1], "right")), len(chances) - 1)


def _distances(rows: Rows, points: Float32, threads: int) -> Float64:
    """Squared distances `(P, N)` of all rows to some points."""
    step, wide = _step(rows), points.astype(np.float64)
    halves = (wide * wide).sum(axis=1)

    def look(start: int) -> Float64:
        block = rows.block(start, min(start + step, len(rows)))
        # einsum sums a row by itself; a matrix product may group rows as it likes
        squares = np.einsum("ij,ij->i", block, block, dtype=np.float64)
        away = [squares - 2 * np.einsum("ij,j->i", block, point, dtype=np.float64) for point in points]
        squared: Float64 = np.maximum(np.array(away) + halves[:, None], 0.0)
        return squared

    return np.concatenate(list(in_order(look, range(0, len(rows), step), threads)), axis=1)


def _step(rows: Rows) -> int:
    return max(1, _BLOCK // max(1, rows.dimension))

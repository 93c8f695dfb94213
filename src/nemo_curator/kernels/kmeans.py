"""Clusters of rows by k-means (Lloyd's iteration), on a CPU, and the same to the last bit every time.

Which centroid is closest is told exactly (`closest`), and sums are taken in double precision, in the order of the rows,
in blocks of a size that follows from the shape alone. So neither the number of threads nor the library that multiplies
changes a bit of the result.

Source: S. Lloyd, Least squares quantization in PCM, IEEE Transactions on Information Theory 28 (2), 1982; for the
angular form I. Dhillon and D. Modha, Concept decompositions for large sparse text data, Machine Learning 42, 2001.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from nemo_curator.kernels.closest import Centroids, closest
from nemo_curator.kernels.in_order import in_order
from nemo_curator.kernels.kmeans_seeds import Init, seeds
from nemo_curator.kernels.rows import Float32, Float64, Int32, Int64, PickedRows, Rows

Metric = Literal["euclidean", "angular"]

_BLOCK = 1_000_000  # numbers of the rows that are in memory together, for each thread


@dataclass(frozen=True, slots=True)
class Clustering:
    """What k-means found.

    Attributes:
        centroids: `(K, D)`.
        labels: `(N,)`, the closest centroid of each row.
        sizes: `(K,)`, rows of each.
        inertia: Sum of the squared distances of rows to their centroids.
        iterations: How often centroids were moved.
    """

    centroids: Float32
    labels: Int32
    sizes: Int64
    inertia: float
    iterations: int


@dataclass(frozen=True, slots=True)
class Settings:
    """How to look for clusters.

    Attributes:
        init: How to begin: `k-means++`, `k-means||`, `random`, or centroids `(K, D)`.
        n_init: How often to begin; the result with the smallest inertia is taken.
        max_iter: Moves of the centroids at most.
        tol: Stop once the centroids move by less than this share of the mean variance of a column, squared and summed.
        seed: Of everything random.
        fit_data_fraction: Share of the rows that centroids are found from; None for all.
        metric: `euclidean`, or `angular` for rows and centroids of unit length.
        threads: Threads of ours that look at blocks. Where the library that multiplies has threads of its own, 1.
    """

    init: Init | Float32 = "k-means||"
    n_init: int = 1
    max_iter: int = 300
    tol: float = 1e-4
    seed: int = 42
    fit_data_fraction: float | None = None
    metric: Metric = "euclidean"
    threads: int = 1


def kmeans(
    rows: Rows, count: int, settings: Settings | None = None, progress: Callable[[str], None] = lambda _: None
) -> Clustering:
    """Find clusters.

    Args:
        rows: N finite rows; of unit length where the metric is angular.
        count: Number of clusters, K, at most N.
        settings: How.
        progress: Called with what is done next, in words.

    Returns:
        The clustering of all rows, those that the centroids were not found from too. A cluster may be empty only where
        fewer than K rows differ.

    Raises:
        ValueError: There are fewer rows than clusters, or given centroids are of another shape.
    """
    settings = settings or Settings()
    if not 1 <= count <= len(rows):
        raise ValueError(f"{len(rows):,} rows do not make {count:,} clusters")
    fitted = _fraction(rows, count, settings)
    given = not isinstance(settings.init, str)
    best: Clustering | None = None
    for attempt in range(1 if given else settings.n_init):
        progress(f"k-means: seeds {attempt + 1} of {1 if given else settings.n_init}")
        random = np.random.default_rng([settings.seed, attempt])
        start = seeds(fitted, count, settings.init, random, settings.threads)
        found = _lloyd(fitted, start, settings, progress)
        if best is None or found.inertia < best.inertia:
            best = found
    assert best is not None  # noqa: S101 (n_init is at least 1, or centroids were given)
    if fitted is rows:
        return best
    everything = _Pass(rows, _places(best.centroids, settings.metric), settings.threads)
    return Clustering(
        best.centroids, everything.labels, everything.sizes, everything.inertia(best.centroids), best.iterations
    )


def _fraction(rows: Rows, count: int, settings: Settings) -> Rows:
    if settings.fit_data_fraction is None or settings.fit_data_fraction >= 1:
        return rows
    wanted = max(count, round(settings.fit_data_fraction * len(rows)))
    picked = np.random.default_rng([settings.seed, 2**31]).choice(len(rows), wanted, replace=False)
    return PickedRows(rows, np.sort(picked))


def _places(points: Float32, metric: Metric) -> Centroids:
    return Centroids.angular(points) if metric == "angular" else Centroids.euclidean(points)


class _Pass:
    """One look at all rows: whose they are, and the sums of each cluster.

    Attributes:
        labels: `(N,)`.
        sums: `(K, D)`.
        sizes: `(K,)`.
        squares: Sum of the squares of all numbers.
    """

    def __init__(self, rows: Rows, centroids: Centroids, threads: int) -> None:
        count, dimension = centroids.points.shape
        self.labels = np.empty(len(rows), np.int32)
        self.sums = np.zeros((count, dimension))
        self.sizes = np.zeros(count, np.int64)
        self.squares = 0.0
        step = block_rows(dimension)

        def look(start: int) -> tuple[int, Int32, Int64, Float64, float]:
            block = rows.block(start, min(start + step, len(rows)))
            labels = closest(block, centroids).first
            order = np.argsort(labels, kind="stable")
            clusters, begins = np.unique(labels[order], return_index=True)
            wide = block[order].astype(np.float64)
            sums = np.add.reduceat(wide, begins, axis=0)
            return start, labels, clusters.astype(np.int64), sums, float((wide * wide).sum(axis=1).sum())

        for start, labels, clusters, sums, squares in in_order(look, range(0, len(rows), step), threads):
            self.labels[start : start + len(labels)] = labels
            self.sums[clusters] += sums
            self.sizes += np.bincount(labels, minlength=count)
            self.squares += squares

    def inertia(self, points: Float32) -> float:
        """Sum of squared distances to the centroids that the look was taken with."""
        wide = points.astype(np.float64)
        cross = (wide * self.sums).sum(axis=1)
        return max(0.0, float(self.squares - 2 * cross.sum() + (self.sizes * (wide * wide).sum(axis=1)).sum()))


def block_rows(dimension: int) -> int:
    """Rows of a block: it follows from the shape alone."""
    return max(1, _BLOCK // max(1, dimension))


def _lloyd(rows: Rows, points: Float32, settings: Settings, progress: Callable[[str], None]) -> Clustering:
    tolerance: float | None = None
    before: Int32 | None = None
    for iteration in range(settings.max_iter):
        progress(f"k-means: iteration {iteration + 1} of at most {settings.max_iter}")
        found = _Pass(rows, _places(points, settings.metric), settings.threads)
        if tolerance is None:
            tolerance = settings.tol * _variance(found, len(rows))
        if before is not None and np.array_equal(found.labels, before):
            return Clustering(points, found.labels, found.sizes, found.inertia(points), iteration)
        _fill_empty(rows, found, points, settings.threads)
        moved = _moved(found, points, settings.metric)
        shift = float(((moved.astype(np.float64) - points) ** 2).sum())
        points, before = moved, found.labels
        if shift <= tolerance:
            break
    found = _Pass(rows, _places(points, settings.metric), settings.threads)
    return Clustering(points, found.labels, found.sizes, found.inertia(points), settings.max_iter and iteration + 1)


def _variance(found: _Pass, number: int) -> float:
    """Mean of the variances of the columns."""
    mean = found.sums.sum(axis=0) / number
    return max(0.0, float(found.squares / number - (mean * mean).sum())) / found.sums.shape[1]


def _moved(found: _Pass, points: Float32, metric: Metric) -> Float32:
    """The mean of each cluster; of unit length where angles count. What has no mean stays where it is."""
    lengths = np.sqrt((found.sums * found.sums).sum(axis=1))
    scale = lengths if metric == "angular" else found.sizes.astype(np.float64)
    there = scale > 0
    moved = points.copy()
    moved[there] = (found.sums[there] / scale[there, None]).astype(np.float32)
    return moved


def _fill_empty(rows: Rows, found: _Pass, points: Float32, threads: int) -> None:
    """Give each empty cluster the row that is farthest from its own centroid, taken out of the sums it stood in."""
    empty = np.flatnonzero(found.sizes == 0)
    if not len(empty):
        return
    for cluster, (distance, row) in zip(
        empty.tolist(), _farthest(rows, found.labels, points, len(empty), threads), strict=False
    ):
        if distance <= 0:  # fewer rows differ than there are clusters
            return
        wide = rows.take(np.array([row]))[0].astype(np.float64)
        donor = int(found.labels[row])
        found.sums[donor] -= wide
        found.sizes[donor] -= 1
        found.sums[cluster], found.sizes[cluster] = wide, 1


def _farthest(rows: Rows, labels: Int32, points: Float32, count: int, threads: int) -> list[tuple[float, int]]:
    """Squared distance and number of the rows farthest from their centroids, farthest first, then by number."""
    step = block_rows(rows.dimension)

    def look(start: int) -> tuple[Float64, npt.NDArray[np.int64]]:
        block = rows.block(start, min(start + step, len(rows)))
        away = block.astype(np.float64) - points[labels[start : start + len(block)]]
        distances = (away * away).sum(axis=1)
        order = np.lexsort((np.arange(len(block)), -distances))[:count]
        return distances[order], order + start

    best: list[tuple[float, int]] = []
    for distances, numbers in in_order(look, range(0, len(rows), step), threads):
        best += zip(distances.tolist(), numbers.tolist(), strict=True)
        best = sorted(best, key=lambda one: (-one[0], one[1]))[:count]
    return best

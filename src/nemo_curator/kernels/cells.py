"""A set of rows in cells: each row stands in the cell of the centroid whose direction is nearest to its own.

Rows that point nearly the same way stand in one cell or in neighbouring ones. A search looks into a few cells instead
of at every row: two rows are compared if one stands in a cell that the other probes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nemo_curator.kernels.cell_heads import CellHeads
from nemo_curator.kernels.closest import Centroids, closest
from nemo_curator.kernels.directions import directions
from nemo_curator.kernels.in_order import in_order
from nemo_curator.kernels.kmeans import Settings, kmeans
from nemo_curator.kernels.rows import Float32, Int32, Int64, PickedRows, Rows
from nemo_curator.kernels.similar import MEMORY, Progress, no_progress

_BLOCK = 1_000_000  # numbers of the rows that are in memory together, for each thread
_CELLS = 2.5  # cells, as a multiple of the square root of the rows
_SAMPLED = 30  # rows a cell that the centroids are found from
_ITERATIONS = 6  # cells need not be the best ones


@dataclass(frozen=True, slots=True)
class Cells:
    """Centroids, and which rows stand in each cell. All of it is plain arrays, which may be mapped from files.

    Attributes:
        centroids: `(K, D)` float32, of unit length.
        order: `(N,)` int64, the numbers of the rows by cell, ascending inside a cell.
        starts: `(K + 1,)` int64; cell c holds `order[starts[c]:starts[c + 1]]`.
        heads: The heads of the rows in that order, where they are stored; they save time and change nothing else.
    """

    centroids: Float32
    order: Int64
    starts: Int64
    heads: CellHeads | None = None

    def members(self, cell: int) -> Int64:
        """The numbers of the rows in a cell, ascending."""
        return np.asarray(self.order[int(self.starts[cell]) : int(self.starts[cell + 1])])

    def fit(self, rows: int) -> bool:
        """Whether these are cells of so many rows, each of which stands in one: arrays from a file may be anything."""
        starts = np.asarray(self.starts)
        if len(self.order) != rows or not 0 < len(self.centroids) == len(starts) - 1:
            return False
        if starts[0] != 0 or starts[-1] != rows or (np.diff(starts) < 0).any():
            return False
        if not rows:
            return True
        inside = self.order.min() >= 0 and self.order.max() < rows
        return bool(inside and (np.bincount(self.order, minlength=rows) == 1).all())

    def owners(self) -> Int32:
        """The cell of each row, `(N,)`."""
        owners = np.empty(len(self.order), np.int32)
        owners[self.order] = np.repeat(np.arange(len(self.centroids), dtype=np.int32), np.diff(self.starts))
        return owners


def number_of_cells(rows: int) -> int:
    """How many cells a set of rows gets: their square root, times a factor found by measurement."""
    return max(1, min(rows, round(_CELLS * math.sqrt(rows))))


def find_centroids(
    rows: Rows,
    count: int,
    *,
    seed: int = 42,
    memory: int = MEMORY,
    threads: int = 1,
    progress: Callable[[str], None] = lambda _: None,
) -> Float32:
    """Directions to make cells of, from a sample of the rows.

    Args:
        rows: N of them.
        count: How many, at most N.
        seed: Of the sample.
        memory: Bytes that the sample may take, about.
        threads: Threads that look at blocks.
        progress: Called with what is done next.

    Returns:
        `(K, D)`, of unit length. K is smaller than asked for where too few sampled rows differ or have a direction.
    """
    wanted = min(len(rows), max(count, min(_SAMPLED * count, memory // (8 * rows.dimension))))
    picked = np.sort(np.random.default_rng([seed, len(rows)]).choice(len(rows), wanted, replace=False))
    sample = _Directed(PickedRows(rows, picked))
    if not len(sample):
        return np.eye(1, rows.dimension, dtype=np.float32)
    settings = Settings("random", max_iter=_ITERATIONS, seed=seed, metric="angular", threads=threads)
    found = kmeans(sample, min(count, len(sample)), settings, progress).centroids
    _, first = np.unique(found, axis=0, return_index=True)  # of equal ones no row would know which is nearer
    return found[np.sort(first)]


def into_cells(centroids: Float32, owners: Int32) -> Cells:
    """Rows by the cell that each stands in.

    Args:
        centroids: `(K, D)`.
        owners: `(N,)`.
    """
    order = np.argsort(owners, kind="stable").astype(np.int64)
    starts = np.concatenate([[0], np.cumsum(np.bincount(owners, minlength=len(centroids)))]).astype(np.int64)
    return Cells(centroids, order, starts)


@dataclass(frozen=True, slots=True)
class Probes:
    """The cells that each row looks into.

    Attributes:
        owners: `(N,)`, the nearest.
        cells: `(N, P)`, the nearest ones, ascending by number.
    """

    owners: Int32
    cells: Int32


def probe(rows: Rows, centroids: Float32, count: int, threads: int = 1, progress: Progress = no_progress) -> Probes:
    """The cells nearest to each row.

    Args:
        rows: N of them.
        centroids: `(K, D)`, of unit length.
        count: How many cells, at most K.
        threads: Threads that look at blocks.
        progress: Called with (rows done, of how many).
    """
    places, step = Centroids.angular(centroids), max(1, _BLOCK // max(1, rows.dimension))
    count = min(count, len(centroids))
    owners, cells = np.empty(len(rows), np.int32), np.empty((len(rows), count), np.int32)

    def look(start: int) -> tuple[int, Int32, Int32]:
        found = closest(directions(rows.block(start, min(start + step, len(rows)))).unit(), places, count)
        return start, found.first, found.some

    for start, first, some in in_order(look, range(0, len(rows), step), threads):
        owners[start : start + len(first)], cells[start : start + len(first)] = first, some
        progress(start + len(first), len(rows))
    return Probes(owners, cells)


class _Directed:
    """Rows at unit length, without those that have no direction; in memory."""

    def __init__(self, rows: Rows) -> None:
        self.dimension: int = rows.dimension
        step = max(1, _BLOCK // max(1, rows.dimension))
        everything, there = np.empty((len(rows), rows.dimension), np.float32), 0
        for start in range(0, len(rows), step):
            block = directions(rows.block(start, min(start + step, len(rows)))).unit()
            directed = block[block.any(axis=1)]
            everything[there : there + len(directed)] = directed
            there += len(directed)
        self._rows = everything[:there]

    def __len__(self) -> int:
        return len(self._rows)

    def block(self, start: int, stop: int) -> Float32:
        return self._rows[start:stop]

    def take(self, indices: npt.NDArray[np.integer[Any]]) -> Float32:
        taken: Float32 = self._rows[indices]
        return taken

"""Pairs of similar rows, looked for in cells, and how many of all pairs that finds.

Two rows are compared if one of them stands in a cell that the other probes. How many of the true pairs that catches is
measured, not assumed: some rows are compared with all others, and each pair found so is looked up in the probes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from nemo_curator.kernels.cells import Cells, Probes, probe
from nemo_curator.kernels.in_order import in_order
from nemo_curator.kernels.rows import Float32, Int64, PickedRows, Rows
from nemo_curator.kernels.similar import (
    MEMORY,
    Pairs,
    Progress,
    block_side,
    found_in,
    joined,
    no_progress,
    pairs_between,
    unit,
)

_STEPS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 1024)


class Needed(Protocol):
    """What the measurement is told; `pair_search.SearchSettings` is one."""

    @property
    def sample(self) -> int:
        """Rows to sample."""

    @property
    def target(self) -> float:
        """Share of their pairs that must be found."""

    @property
    def seed(self) -> int:
        """Of the sample."""

    @property
    def memory(self) -> int:
        """Bytes that blocks may take, about."""

    @property
    def threads(self) -> int:
        """Threads that look at blocks."""


@dataclass(frozen=True, slots=True)
class Recall:
    """What a search in cells finds, against looking at every row.

    Attributes:
        probes: Cells that each row looks into.
        share: Share of the pairs of the sampled rows that are found; None where these have no pair at all.
        rows: Rows that were compared with all others.
        pairs: Pairs that they have.
    """

    probes: int
    share: float | None
    rows: int
    pairs: int


def measured_probes(
    left: Rows, right: Rows | None, centroids: Float32, least: float, needed: Needed, floor: int = 2
) -> Recall:
    """How many cells to look into, so that a sample of the rows finds enough of its pairs.

    Args:
        left: N rows, of which some are sampled.
        right: Rows in cells, or None where they are those of the left, compared with one another.
        centroids: `(K, D)`, of the cells.
        least: The smallest cosine that counts.
        needed: How many rows to sample, what must be found, and what it may take.
        floor: Cells that are looked into at least.
    """
    threads = needed.threads
    picked = np.sort(
        np.random.default_rng([needed.seed, 1]).choice(len(left), min(needed.sample, len(left)), replace=False)
    )
    others, sampled = left if right is None else right, PickedRows(left, picked)
    found = joined(list(pairs_between(sampled, others, least, memory=needed.memory, threads=threads)))
    at, of = picked[found.left], found.right
    if right is None:
        at, of = at[at != of], of[at != of]
    most = len(centroids)
    if not len(at):
        return Recall(min(most, floor), None, len(picked), 0)
    share = 0.0
    count = floor
    for count in [step for step in _STEPS if floor <= step < most] + [most]:
        if right is None:
            caught = _caught(left, at, of, centroids, count, threads)
        else:
            caught = _reached(
                _of_distinct(left, at, centroids, count, threads), _of_distinct(right, of, centroids, 1, threads)
            )
        share = float(np.count_nonzero(caught)) / len(at)
        if share >= needed.target:
            break
    return Recall(count, share, len(picked), len(at))


def _caught(rows: Rows, at: Int64, of: Int64, centroids: Float32, count: int, threads: int) -> npt.NDArray[np.bool_]:
    one = _of_distinct(rows, at, centroids, count, threads)
    other = _of_distinct(rows, of, centroids, count, threads)
    return _reached(one, other) | _reached(other, one)


def _of_distinct(rows: Rows, numbers: Int64, centroids: Float32, count: int, threads: int) -> Probes:
    distinct, back = np.unique(numbers, return_inverse=True)
    found = probe(PickedRows(rows, distinct), centroids, count, threads)
    return Probes(found.owners[back], found.cells[back])


def _reached(seeker: Probes, sought: Probes) -> npt.NDArray[np.bool_]:
    reached: npt.NDArray[np.bool_] = (seeker.cells == sought.owners[:, None]).any(axis=1)
    return reached


def pairs_in_cells(
    rows: Rows,
    cells: Cells,
    probes: Probes,
    least: float,
    *,
    memory: int = MEMORY,
    threads: int = 1,
    progress: Progress = no_progress,
) -> Iterator[Pairs]:
    """The pairs within a set of rows that cells show, each once.

    Args:
        rows: N of them.
        cells: The cells that they stand in.
        probes: The cells that they look into.
        least: The smallest cosine that counts.
        memory: Bytes that blocks may take, about.
        threads: Threads that look at blocks.
        progress: Called with (cells done, of how many).

    Yields:
        Pairs by cell; which there are depends on the rows and the centroids alone.
    """
    seekers, starts = _by_cell(probes, len(cells.centroids))
    most = block_side(rows.dimension, memory, threads)

    def look(cell: int) -> Pairs:
        owned, seeking = cells.members(cell), seekers[starts[cell] : starts[cell + 1]]
        return joined([_once(one, probes) for one in _compared(rows, owned, rows, seeking, least, most)])

    for done, found in enumerate(in_order(look, range(len(cells.centroids)), threads), 1):
        if len(found):
            yield found
        progress(done, len(cells.centroids))


def _once(found: Pairs, probes: Probes) -> Pairs:
    """Each pair as (smaller, larger), left out where it is found the other way round too."""
    # the left stands in the cell, the right looks into it; where both do both, the smaller one is the left
    owner, seeker = found.left, found.right
    back = (probes.cells[owner] == probes.owners[seeker][:, None]).any(axis=1)
    good = (owner < seeker) | ((owner > seeker) & ~back)
    owner, seeker = owner[good], seeker[good]
    return Pairs(np.minimum(owner, seeker), np.maximum(owner, seeker), found.cosines[good])


def pairs_with_cells(
    left: Rows,
    probes: Probes,
    right: Rows,
    cells: Cells,
    least: float,
    *,
    memory: int = MEMORY,
    threads: int = 1,
    progress: Progress = no_progress,
) -> Iterator[Pairs]:
    """The pairs of a row of one set and a row of another, which stands in cells.

    Args:
        left: N rows.
        probes: The cells that they look into.
        right: M rows.
        cells: The cells that these stand in.
        least: The smallest cosine that counts.
        memory: Bytes that blocks may take, about.
        threads: Threads that look at blocks.
        progress: Called with (cells done, of how many).

    Yields:
        Pairs by cell, left and right numbers each in its own set.
    """
    seekers, starts = _by_cell(probes, len(cells.centroids))
    most = block_side(left.dimension, memory, threads)

    def look(cell: int) -> Pairs:
        seeking = seekers[starts[cell] : starts[cell + 1]]
        return joined(list(_compared(left, seeking, right, cells.members(cell), least, most)))

    for done, found in enumerate(in_order(look, range(len(cells.centroids)), threads), 1):
        if len(found):
            yield found
        progress(done, len(cells.centroids))


def _by_cell(probes: Probes, number: int) -> tuple[Int64, Int64]:
    """The rows that look into each cell: their numbers by cell, and where each cell begins."""
    flat = probes.cells.ravel()
    order = np.argsort(flat, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(flat, minlength=number))])
    return order // probes.cells.shape[1], starts


def _compared(
    left: Rows,
    lefts: Int64,
    right: Rows,
    rights: Int64,
    least: float,
    most: int,
) -> Iterator[Pairs]:
    for start in range(0, len(lefts), most):
        some = lefts[start : start + most]
        one = unit(left.take(some))
        for other in range(0, len(rights), most):
            beside = rights[other : other + most]
            for found in found_in(one, unit(right.take(beside)), least):
                yield Pairs(some[found.left], beside[found.right], found.cosines)

"""Pairs of similar rows, looked for in cells: two are compared if one stands in a cell that the other probes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from nemo_curator.kernels.cell_heads import HeadedRows
from nemo_curator.kernels.cell_recall import Band, reached
from nemo_curator.kernels.cells import Cells, Probes, into_cells
from nemo_curator.kernels.directions import Directed, Directions, directions
from nemo_curator.kernels.in_order import in_order
from nemo_curator.kernels.rows import Int32, Int64, Rows
from nemo_curator.kernels.similar import (
    MEMORY,
    Pairs,
    Progress,
    block_side,
    found_in,
    joined,
    no_progress,
    shortest_head,
)

_ROW = 6  # bytes of each number of rows that are held with their heads, about


@dataclass(frozen=True, slots=True)
class Stricter:
    """Probes of a band of which fewer cells are looked into than the search does.

    Attributes:
        band: Its pairs.
        probes: What shows them: the cells that the rows of the left look into.
        owners: The cells of the rows of the right; None where those of the left are compared with one another.
    """

    band: Band
    probes: Probes
    owners: Int32 | None = None

    def agrees(self, found: Pairs) -> Pairs:
        """Pairs without those of the band that its own probes do not show."""
        good = ~self.band.holds(found.cosines)
        some = np.flatnonzero(~good)
        left, right = found.left[some], found.right[some]
        owners = self.probes.owners if self.owners is None else self.owners
        shown = reached(self.probes.cells[left], owners[right])
        if self.owners is None:
            shown |= reached(self.probes.cells[right], owners[left])
        good[some] = shown
        return Pairs(found.left[good], found.right[good], found.cosines[good])


def as_strict(blocks: Iterator[Pairs], stricter: Sequence[Stricter]) -> Iterator[Pairs]:
    """Blocks of pairs without those that the probes of their own band do not show."""
    for block in blocks:
        found = block
        for one in stricter:
            found = one.agrees(found)
        if len(found):
            yield found


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
        progress: Called with (rows done, of how many).

    Yields:
        Pairs by cell; which there are depends on the rows and the centroids alone.
    """
    search = _Search(rows, cells, rows, probes, least, block_side(rows.dimension, memory, threads))
    for found in search.blocks(threads, progress):
        once = _once(found, probes)
        if len(once):
            yield once


def _once(found: Pairs, probes: Probes) -> Pairs:
    """Each pair as (smaller, larger), left out where it is found the other way round too."""
    # the right stands in the cell, the left looks into it; where both do both, the smaller one is the right
    owner, seeker = found.right, found.left
    back = reached(probes.cells[owner], probes.owners[seeker])
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
        progress: Called with (rows of the right done, of how many).

    Yields:
        Pairs by cell, left and right numbers each in its own set.
    """
    rows = _ROW * left.dimension * len(left)
    holding = rows <= memory // 2  # most of them are looked at again and again
    most = block_side(left.dimension, memory - rows if holding else memory, threads)
    search = _Search(right, cells, left, probes, least, most)
    if holding:
        held = directions(left.block(0, len(left))).with_heads(shortest_head(left.dimension))
        search = replace(search, seeking=held.of)
    yield from search.blocks(threads, progress)


@dataclass(frozen=True, slots=True)
class _Search:
    """A comparison of the rows that stand in cells with those that look into them.

    Attributes:
        owned: N rows that stand in cells.
        cells: Their cells.
        seekers: M rows that look into cells.
        probes: The cells that these look into.
        least: The smallest cosine that counts.
        most: Rows of a side that are in memory together.
        seeking: Gives the directions of some seekers; by default they are read.
    """

    owned: Rows
    cells: Cells
    seekers: Rows
    probes: Probes
    least: float
    most: int
    seeking: Callable[[Int64], Directions] | None = None

    def blocks(self, threads: int, progress: Progress) -> Iterator[Pairs]:
        """Pairs of a seeker and a row that stands in a cell, by cell.

        Rows of neighbouring cells are read together, in pieces that do not grow with the cells.
        """
        number, step = len(self.cells.order), self.most
        looks = into_cells(self.cells.centroids, self.probes.cells.ravel())
        look = partial(self._looked_at, looks)
        for stop, found in in_order(look, range(0, number, step), threads):
            if len(found):
                yield found
            progress(stop, number)

    def _looked_at(self, looks: Cells, start: int) -> tuple[int, Pairs]:
        stop = min(start + self.most, len(self.cells.order))
        beside = np.asarray(self.cells.order[start:stop])
        owned = self._standing(start, stop, beside)
        found: list[Pairs] = []
        for cell in range(*self._between(start, stop)):
            low, high = (min(max(int(at) - start, 0), stop - start) for at in self.cells.starts[cell : cell + 2])
            every = looks.members(cell) // self.probes.cells.shape[1] if low < high else np.empty(0, np.int64)
            for begin in range(0, len(every), self.most):
                some = every[begin : begin + self.most]
                seeking = directions(self.seekers.take(some)) if self.seeking is None else self.seeking(some)
                found.extend(
                    Pairs(some[pairs.left], beside[low + pairs.right], pairs.cosines)
                    for pairs in found_in(seeking, owned.of(slice(low, high)), self.least)
                )
        return stop, joined(found)

    def _standing(self, start: int, stop: int, numbers: Int64) -> Directed:
        """The rows that stand there: those of stored heads are read only where the heads leave them."""
        if self.cells.heads is None:
            return directions(self.owned.take(numbers))
        return HeadedRows.of_block(self.owned, numbers, self.cells.heads.block(start, stop))

    def _between(self, start: int, stop: int) -> tuple[int, int]:
        """The first cell with rows from `start` on, and the first without any before `stop`."""
        first, last = np.searchsorted(self.cells.starts, [start, stop - 1], "right")
        return int(first) - 1, int(last)

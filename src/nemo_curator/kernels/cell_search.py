"""Pairs of similar rows, looked for in cells: two are compared if one stands in a cell that the other probes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from nemo_curator.kernels.cell_recall import Band, reached
from nemo_curator.kernels.cells import Cells, Probes, into_cells
from nemo_curator.kernels.in_order import in_order
from nemo_curator.kernels.rows import Int32, Int64, Rows
from nemo_curator.kernels.similar import MEMORY, Pairs, Progress, block_side, found_in, joined, no_progress, unit

_Piece = tuple[int, Int64, Int64]


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
        progress: Called with (cells done, of how many).

    Yields:
        Pairs by cell; which there are depends on the rows and the centroids alone.
    """
    seekers = _seekers(cells, probes)
    most = block_side(rows.dimension, memory, threads)

    def look(piece: _Piece) -> tuple[int, Pairs]:
        cell, owned, seeking = piece
        return cell, _once(_compared(rows, owned, rows, seeking, least), probes)

    pieces = _pieces(cells, lambda cell: (cells.members(cell), seekers(cell)), most)
    yield from _told(in_order(look, pieces, threads), len(cells.centroids), progress)


def _once(found: Pairs, probes: Probes) -> Pairs:
    """Each pair as (smaller, larger), left out where it is found the other way round too."""
    # the left stands in the cell, the right looks into it; where both do both, the smaller one is the left
    owner, seeker = found.left, found.right
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
        progress: Called with (cells done, of how many).

    Yields:
        Pairs by cell, left and right numbers each in its own set.
    """
    seekers = _seekers(cells, probes)
    most = block_side(left.dimension, memory, threads)

    def look(piece: _Piece) -> tuple[int, Pairs]:
        cell, seeking, owned = piece
        return cell, _compared(left, seeking, right, owned, least)

    pieces = _pieces(cells, lambda cell: (seekers(cell), cells.members(cell)), most)
    yield from _told(in_order(look, pieces, threads), len(cells.centroids), progress)


def _pieces(cells: Cells, sides: Callable[[int], tuple[Int64, Int64]], most: int) -> Iterator[_Piece]:
    """What is compared, cell by cell, in blocks that do not grow with the cells."""
    for cell in range(len(cells.centroids)):
        one, other = sides(cell)
        for start in range(0, len(one), most):
            for begin in range(0, len(other), most):
                yield cell, one[start : start + most], other[begin : begin + most]


def _told(blocks: Iterator[tuple[int, Pairs]], number: int, progress: Progress) -> Iterator[Pairs]:
    for cell, found in blocks:
        if len(found):
            yield found
        progress(cell, number)
    progress(number, number)


def _seekers(cells: Cells, probes: Probes) -> Callable[[int], Int64]:
    """Gives the rows that look into a cell, ascending."""
    looks = into_cells(cells.centroids, probes.cells.ravel())
    return lambda cell: looks.members(cell) // probes.cells.shape[1]


def _compared(left: Rows, some: Int64, right: Rows, beside: Int64, least: float) -> Pairs:
    found = joined(list(found_in(unit(left.take(some)), unit(right.take(beside)), least)))
    return Pairs(some[found.left], beside[found.right], found.cosines)

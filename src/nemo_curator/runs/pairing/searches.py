"""The searches that find pairs: the one place that says which kernels they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from nemo_curator.cores import usable_cores
from nemo_curator.kernels.cell_recall import Recall
from nemo_curator.kernels.cells import Cells
from nemo_curator.kernels.hamming import HammingIndex, Hashes
from nemo_curator.kernels.hamming_self import self_pairs
from nemo_curator.kernels.pair_search import PairSearch, SearchSettings, search_between, search_within
from nemo_curator.kernels.rows import Rows

Tell = Callable[[int], None]
"""Told of how many more rows have been searched."""

Side = TypeVar("Side", Hashes, HammingIndex)
_ROUNDING = 2.0**-40
_HASHES = 1 << 15  # hashes looked up between two reports of progress


class Found(NamedTuple):
    """Some pairs of rows.

    Attributes:
        left: `(K,)` int64 rows.
        right: `(K,)` int64 other rows.
        distance: `(K,)` float64; of embeddings roughly right is enough, because it is computed once more.
    """

    left: npt.NDArray[np.int64]
    right: npt.NDArray[np.int64]
    distance: npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Search:
    """A search that is under way.

    Attributes:
        blocks: Its pairs, in blocks of any order; each pair once.
        exact: Whether it finds all.
        recall: What it finds otherwise, measured on a sample.
        cells: Cells of the rows within which it searches, where it made any.
    """

    blocks: Iterator[Found]
    exact: bool = True
    recall: Recall | None = None
    cells: Cells | None = None


class InCells(NamedTuple):
    """Rows, and the cells that they stand in.

    Attributes:
        rows: M of them, with a direction.
        cells: Their cells, where they were made before.
    """

    rows: Rows
    cells: Cells | None = None


@dataclass(frozen=True, slots=True)
class Searches:
    """The searches.

    Attributes:
        copies: `(M, 32)` different hashes and a radius in bits, to the pairs of rows within it.
        turned: `(M, 8, 32)`, of each picture the hash and those of its seven turns, to the same; a pair may be found
            more than once. A hash of zeros is none.
        similar: Different rows with a direction, perhaps mapped, and a radius of 1 - cosine, to the same.
        copies_between: The same between hashes of a run and those of elsewhere; a search within neither is made. It is
            told of as many rows as the smaller side has, and that is looked up in the index of the larger.
        turned_between: The same of pictures with their turns, `(N, 8, 32)` and `(M, 8, 32)`; a pair may be found more
            than once.
        similar_between: The same of rows; what is found depends on the rows alone, and not on whether cells are there.
    """

    copies: Callable[[Hashes, int, Tell], Search]
    turned: Callable[[Hashes, int, Tell], Search]
    similar: Callable[[Rows, float, Tell], Search]
    copies_between: Callable[[HammingIndex, HammingIndex, int, Tell], Search]
    turned_between: Callable[[Hashes, Hashes, int, Tell], Search]
    similar_between: Callable[[InCells, InCells, float, Tell], Search]


def copies(hashes: Hashes, radius: int, tell: Tell) -> Search:
    """Pairs of hashes that differ in at most so many bits; exact."""
    return Search(_copies(hashes, radius, tell))


def _copies(hashes: Hashes, radius: int, tell: Tell) -> Iterator[Found]:
    told = 0

    def progress(share: float) -> None:
        nonlocal told
        rows = round(share * len(hashes))
        tell(rows - told)
        told = rows

    for found in self_pairs(hashes, radius, progress=progress):
        yield Found(found.left, found.right, found.distance.astype(np.float64))


def turned(hashes: Hashes, radius: int, tell: Tell) -> Search:
    """Pairs of pictures of which one, as it stands, is near any turn of the other; exact."""
    return Search(_turned(hashes, radius, tell))


def _turned(hashes: Hashes, radius: int, tell: Tell) -> Iterator[Found]:
    rows, turns = _structured(hashes)
    for found in _looked_up(np.ascontiguousarray(hashes[:, 0]), HammingIndex(turns), radius, tell):
        right = rows[found.right]
        other = found.left != right  # a picture may look like a turn of itself
        if other.any():
            yield Found(found.left[other], right[other], found.distance[other])


def similar(rows: Rows, radius: float, tell: Tell) -> Search:
    """Pairs of rows whose cosine is at least 1 - radius: each is compared with each, or in cells if there are many."""
    search = search_within(rows, _least(radius), SearchSettings(threads=usable_cores()))
    return Search(_similar(search, len(rows), tell), search.recall is None, search.recall, search.cells)


def _similar(search: PairSearch, rows: int, tell: Tell) -> Iterator[Found]:
    told = 0

    def step(_: str, done: int, total: int) -> None:
        nonlocal told
        now = rows * done // max(1, total)
        tell(now - told)
        told = now

    for found in search.pairs(step):
        yield Found(found.left, found.right, 1.0 - found.cosines)


def copies_between(left: HammingIndex, right: HammingIndex, radius: int, tell: Tell) -> Search:
    """Pairs of a hash of one side and one of the other; exact."""
    return _either_way(lambda few, many: _looked_up(few.hashes, many, radius, tell), left, right)


def _looked_up(few: Hashes, many: HammingIndex, radius: int, tell: Tell) -> Iterator[Found]:
    for start in range(0, len(few), _HASHES):
        block = few[start : start + _HASHES]
        for found in many.pairs(block, radius):
            yield Found(found.left + start, found.right, found.distance.astype(np.float64))
        tell(len(block))


def turned_between(left: Hashes, right: Hashes, radius: int, tell: Tell) -> Search:
    """Pairs of pictures of two sides of which one, as it stands, is near any turn of the other; exact."""
    return _either_way(lambda few, many: _turned_between(few, many, radius, tell), left, right)


def _turned_between(few: Hashes, many: Hashes, radius: int, tell: Tell) -> Iterator[Found]:
    upright = [np.ascontiguousarray(side[:, 0]) for side in (few, many)]
    rows, turns = _structured(many)
    for found in _looked_up(upright[0], HammingIndex(turns), radius, tell):
        yield Found(found.left, rows[found.right], found.distance)
    rows, turns = _structured(few)
    for found in _looked_up(turns, HammingIndex(upright[1]), radius, lambda _: None):
        yield Found(rows[found.left], found.right, found.distance)


def _structured(hashes: Hashes) -> tuple[npt.NDArray[np.int64], Hashes]:
    """Every turn that has a hash, and the row of its picture."""
    every = hashes.reshape(-1, hashes.shape[2])
    some = np.flatnonzero(every.any(axis=1))
    return some // hashes.shape[1], every[some]


def similar_between(left: InCells, right: InCells, radius: float, tell: Tell) -> Search:
    """Pairs of a row of one side and one of the other: all are compared, or in cells of the larger if they are many."""
    if not len(left.rows) or not len(right.rows):
        return Search(iter(()))
    turned_around = len(left.rows) > len(right.rows)
    few, many = (right, left) if turned_around else (left, right)
    settings = SearchSettings(threads=usable_cores())
    search = search_between(few.rows, many.rows, _least(radius), many.cells, settings)
    blocks = _similar(search, len(few.rows), tell)
    return Search(_turned_around(blocks) if turned_around else blocks, search.recall is None, search.recall)


def _least(radius: float) -> float:
    """The cosine to look for: the caller computes distances once more, by the same arithmetic but for one rounding."""
    return 1.0 - radius - _ROUNDING


def _either_way(between: Callable[[Side, Side], Iterator[Found]], left: Side, right: Side) -> Search:
    """A search that takes the smaller side first, whichever that is; none where one side is empty."""
    if not len(left) or not len(right):
        return Search(iter(()))
    return Search(between(left, right) if len(left) <= len(right) else _turned_around(between(right, left)))


def _turned_around(blocks: Iterator[Found]) -> Iterator[Found]:
    return (Found(found.right, found.left, found.distance) for found in blocks)


SEARCHES = Searches(copies, turned, similar, copies_between, turned_between, similar_between)
"""Those in use."""

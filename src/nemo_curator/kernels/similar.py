"""All pairs of rows that point nearly the same way: every row against every other, block by block.

A product in single precision, of heads alone where these rule out enough, tells all pairs but a few apart; what may be
near enough is computed once more in double precision. So which pairs there are, and their cosines, depend on the rows
alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from nemo_curator.kernels.directions import Directed, Directions, directions
from nemo_curator.kernels.in_order import in_order
from nemo_curator.kernels.nearest import exact_cosines
from nemo_curator.kernels.rows import Float64, Int64, Rows

_EXACT_AT_ONCE = 2_000_000  # numbers that the exact look widens together
_SIDE = 2048  # rows of a block, where memory allows
_WORTH = 1 << 16  # pairs of a block that are worth a look at what heads would rule out
_TRIED = 64  # rows of each side that this is seen on
_FEW_LEFT = 2  # pairs of those that are tried that may be left in any case
_LEFT = 1e-3  # share of pairs that heads may leave: an exact look at one takes as long as some hundred products

SHORTEST = 16
"""Numbers of a head that are worth it."""

MEMORY = 256_000_000  # bytes for blocks, unless told otherwise

Progress = Callable[[int, int], None]


def no_progress(done: int, total: int) -> None:
    """Tell nobody."""
    del done, total


@dataclass(frozen=True, slots=True)
class Pairs:
    """Some pairs of rows.

    Attributes:
        left: `(P,)`, numbers of rows.
        right: `(P,)`; within one set of rows always larger than the left.
        cosines: `(P,)` float64.
    """

    left: Int64
    right: Int64
    cosines: Float64

    def __len__(self) -> int:
        return len(self.left)


def similar_pairs(
    rows: Rows, least: float, *, memory: int = MEMORY, threads: int = 1, progress: Progress = no_progress
) -> Iterator[Pairs]:
    """All pairs within a set of rows, each once.

    Args:
        rows: N of them. A row without a direction (zeros, NaN, infinity) is in no pair.
        least: The smallest cosine that counts.
        memory: Bytes that blocks may take, about.
        threads: Threads that look at blocks.
        progress: Called with (rows done, of how many).

    Yields:
        Pairs by blocks, in an order that depends on the sizes and `memory` alone.
    """
    step = block_side(rows.dimension, memory, threads)
    for start in range(0, len(rows), step):
        left = directions(rows.block(start, min(start + step, len(rows))))
        look = partial(_looked_at, left, rows, least, start, step, above=True)
        yield from filter(len, in_order(look, range(start, len(rows), step), threads))
        progress(min(start + step, len(rows)), len(rows))


def pairs_between(
    left: Rows,
    right: Rows,
    least: float,
    *,
    memory: int = MEMORY,
    threads: int = 1,
    progress: Progress = no_progress,
) -> Iterator[Pairs]:
    """All pairs of a row of one set and a row of another.

    Args:
        left: N rows.
        right: M rows.
        least: The smallest cosine that counts.
        memory: Bytes that blocks may take, about.
        threads: Threads that look at blocks.
        progress: Called with (rows of the left done, of how many).

    Yields:
        Pairs by blocks, in an order that depends on the sizes and `memory` alone.
    """
    step = block_side(left.dimension, memory, threads)
    for start in range(0, len(left), step):
        some = directions(left.block(start, min(start + step, len(left))))
        look = partial(_looked_at, some, right, least, start, step, above=False)
        yield from filter(len, in_order(look, range(0, len(right), step), threads))
        progress(min(start + step, len(left)), len(left))


def _looked_at(left: Directions, rows: Rows, least: float, start: int, step: int, other: int, *, above: bool) -> Pairs:
    right = directions(rows.block(other, min(other + step, len(rows))))
    return joined(list(found_in(left, right, least, start, other, above=above)))


def joined(found: Sequence[Pairs]) -> Pairs:
    """Several as one, in their order."""
    if len(found) == 1:
        return found[0]
    if not found:
        return Pairs(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))
    left, right = np.concatenate([one.left for one in found]), np.concatenate([one.right for one in found])
    return Pairs(left, right, np.concatenate([one.cosines for one in found]))


def found_in(
    left: Directed, right: Directed, least: float, start: int = 0, other: int = 0, *, above: bool = False
) -> Iterator[Pairs]:
    """The pairs of two blocks, sorted.

    Args:
        left: A rows.
        right: B rows.
        least: The smallest cosine that counts.
        start: Number of the first row of the left.
        other: Number of the first row of the right.
        above: Only pairs whose right number is larger than the left.
    """
    if not len(left) or not len(right):
        return
    bound = np.float32(least - margin(left.dimension))
    count = _head(left, right, bound)
    rough = left.heads(count) @ right.heads(count).T if count else left.unit() @ right.unit().T
    flat = np.flatnonzero(rough >= bound)
    step = max(1, _EXACT_AT_ONCE // max(1, left.dimension))
    for begin in range(0, len(flat), step):
        at, of = np.divmod(flat[begin : begin + step], rough.shape[1])
        if above:
            later = of + other > at + start
            at, of = at[later], of[later]
        cosines = exact_cosines(left.take(at), right.take(of))
        good = cosines >= least  # NaN is not
        if good.any():
            yield Pairs(at[good] + start, of[good] + other, cosines[good])


def _head(left: Directed, right: Directed, bound: np.float32) -> int:
    """Numbers of a head that rules out enough; 0 where none does. That changes the time, and nothing else."""
    shortest = shortest_head(left.dimension)
    if len(left) * len(right) < _WORTH and right.at_hand != shortest:
        return 0
    some, others = left.spread(_TRIED), right.spread(_TRIED, between=True)  # of one block not each row beside itself
    for count in (shortest, left.dimension // 2):
        if count >= SHORTEST:
            near = some.heads(count) @ others.heads(count).T >= bound
            if np.count_nonzero(near) <= max(_FEW_LEFT, _LEFT * near.size):
                return count
    return 0


def shortest_head(dimension: int) -> int:
    """Numbers of the head that is tried first."""
    return dimension // 4


def margin(dimension: int) -> float:
    """How far a rough cosine may be from the exact one.

    Source: Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., 3.1: |error| ≤ n u / (1 - n u) times the
    lengths, in whatever order n rounded products are summed; and each row was rounded once more when it was scaled.
    """
    return 2.0 * (dimension + 8) * 2.0**-24


def block_side(dimension: int, memory: int, threads: int) -> int:
    """Rows of a block, so that for each thread two blocks, these at unit length, their product and a mask fit."""
    side = _SIDE
    while side > 16 and threads * (16 * dimension * side + 6 * side * side) > memory:
        side //= 2
    return side

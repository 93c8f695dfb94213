"""Heads of rows in the order of the cells that they stand in: what a search looks at first lies side by side.

A search in cells reads every row, in an order that jumps about, and of nearly all it needs the head alone. Heads that
are stored in that order are a quarter of the bytes, one after the other; of the rows only those are read that are left.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from nemo_curator.kernels.directions import Directions, directions, evenly
from nemo_curator.kernels.half import widen
from nemo_curator.kernels.rows import Float32, Int64, Rows

_AT_ONCE = 4096  # rows that are read together


@dataclass(frozen=True, slots=True)
class CellHeads:
    """The heads of N rows in half precision, by cell. All of it is plain arrays, which may be mapped from files.

    Attributes:
        firsts: `(N, count - 1)`, the first numbers of each row, as they came.
        rests: `(N,)` float32, how long the rest of each is where the row has unit length.
        scales: `(N,)` float32, what brings each row to unit length; zero where there is no direction.
    """

    firsts: npt.NDArray[np.float16]
    rests: Float32
    scales: Float32

    @property
    def count(self) -> int:
        """Numbers of a head."""
        return int(self.firsts.shape[1]) + 1

    def fit(self, rows: int, count: int) -> bool:
        """Whether these are heads of so many numbers of so many rows: arrays from a file may be anything."""
        kinds = [(one.dtype.kind, one.dtype.itemsize) for one in (self.firsts, self.rests, self.scales)]
        shapes = [self.firsts.shape, self.rests.shape, self.scales.shape]
        return kinds == [("f", 2), ("f", 4), ("f", 4)] and shapes == [(rows, count - 1), (rows,), (rows,)]

    def block(self, start: int, stop: int) -> Float32:
        """The heads of the rows that stand at `start` to `stop`, as `Directions.heads` makes them."""
        firsts = np.ascontiguousarray(self.firsts[start:stop])
        heads = np.empty((len(firsts), self.count), np.float32)
        scales = np.asarray(self.scales[start:stop])
        np.multiply(widen(firsts, np.empty(firsts.shape, np.float32)), scales[:, None], out=heads[:, :-1])
        heads[:, -1] = self.rests[start:stop]
        return heads


def heads_by_cell(rows: Rows, order: Int64, count: int) -> Iterator[CellHeads]:
    """The heads of rows that were stored in half precision, some at a time, to be stored.

    Args:
        rows: N of them, all with a direction.
        order: `(N,)`, their numbers by cell.
        count: Numbers of a head, 2 to D.
    """
    for start in range(0, len(order), _AT_ONCE):
        some = rows.take(np.asarray(order[start : start + _AT_ONCE]))
        found = directions(some)
        yield CellHeads(some[:, : count - 1].astype(np.float16), found.heads(count)[:, -1], found.scale)


class _Block:
    """Some rows that are read when they are first asked for."""

    def __init__(self, rows: Rows, numbers: Int64, heads: Float32) -> None:
        self.rows = rows
        self.numbers = numbers
        self.heads = heads

    @cached_property
    def read(self) -> Directions:
        return directions(self.rows.take(self.numbers))


@dataclass(frozen=True, slots=True)
class HeadedRows:
    """Rows as directions, of which the heads are at hand and the rest is read when it is asked for.

    Used by one thread at a time.
    """

    _block: _Block
    _which: Int64 | slice

    @classmethod
    def of_block(cls, rows: Rows, numbers: Int64, heads: Float32) -> HeadedRows:
        """Some rows.

        Args:
            rows: Where they are read from.
            numbers: `(K,)`, which they are.
            heads: `(K, count)`, as `Directions.heads` makes them.
        """
        return cls(_Block(rows, numbers, heads), slice(None))

    def __len__(self) -> int:
        """How many are meant."""
        return len(self._block.numbers[self._which])

    @property
    def dimension(self) -> int:
        """Numbers in a row, D."""
        return self._block.rows.dimension

    @property
    def at_hand(self) -> int:
        """Numbers of the heads that are there."""
        return int(self._block.heads.shape[1])

    def of(self, which: Int64 | slice) -> HeadedRows:
        """Some of the block."""
        return HeadedRows(self._block, which)

    def take(self, at: Int64) -> Float32:
        """`(K, D)`, those of the numbers `at` among the ones meant, as they came; no others are read."""
        return self._block.rows.take(self._block.numbers[self._which][at])

    def unit(self) -> Float32:
        """`(K, D)`, at unit length up to rounding; zeros where there is no direction."""
        return self._block.read.of(self._which).unit()

    def heads(self, count: int) -> Float32:
        """`(K, count)`, as `Directions.heads`; of another length than those at hand, the rows are read for it."""
        if count == self.at_hand:
            return self._block.heads[self._which]
        return self._block.read.of(self._which).heads(count)

    def spread(self, number: int, *, between: bool = False) -> HeadedRows:
        """About so many of those meant, as `Directions.spread`."""
        every = np.arange(len(self._block.numbers))[self._which]
        return self.of(every[evenly(len(every), number, between=between)])

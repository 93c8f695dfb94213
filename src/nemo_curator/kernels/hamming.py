"""Hashes of 256 bits that differ in few bits, found among many without comparing each with each.

Sixteen pieces of 16 bits that together differ in at most 31 bits cannot all differ in two: one of them differs in at
most one bit (M. Norouzi et al., "Fast Exact Search in Hamming Space with Multi-Index Hashing", TPAMI 2014), and the
half word that it lies in in at most three. So an index has, for each piece, the half words in the order of the piece.
Who looks up a hash visits the rows with the same piece and with its 16 neighbours: one row of 240 where the bits are
independent. They lie side by side, are fetched some at a time, and compared by the half word; one of 90 passes, and is
compared in full. Nothing is missed. Work is done in blocks, so that memory does not grow with the number of pairs.

Pairs within one set of hashes are found faster by `hamming_self`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from nemo_curator.cores import usable_cores
from nemo_curator.kernels.side_by_side import one_after_another

BITS = 256
FARTHEST = 31
"""Distance up to which pairs are found without comparing each with each; what PDQ's authors call a match."""

_BYTES = BITS // 8
_PIECES = 16
_VALUES = 1 << 16  # of a piece
_FEW = 512  # hashes up to which comparing each with each is the faster way
_BLOCK = 1 << 10  # hashes looked up at a time
_COMPARED = 1 << 17  # pairs to compare at a time: they stay in the processor's cache
_WIDEST = 64  # rows fetched together at most

Hashes = npt.NDArray[np.uint8]
Rows = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint64]


class Pairs(NamedTuple):
    """Some pairs of hashes.

    Attributes:
        left: `(K,)` int64, row of the one hash.
        right: `(K,)` int64, row of the other.
        distance: `(K,)` int64, bits in which they differ.
    """

    left: Rows
    right: Rows
    distance: Rows


def pairs_within(left: Hashes, right: Hashes, radius: int) -> Iterator[Pairs]:
    """All pairs of a hash of `left` and one of `right` that differ in at most `radius` bits, each once, in blocks.

    Args:
        left: `(N, 32)` uint8.
        right: `(M, 32)` uint8.
        radius: 0 to 256; beyond 31 each is compared with each.

    Yields:
        Some pairs at a time, in no particular order.
    """
    if len(left) <= len(right):
        yield from HammingIndex(right).pairs(left, radius)
    else:
        for found in HammingIndex(left).pairs(right, radius):
            yield Pairs(found.right, found.left, found.distance)


def nearest_within(hashes: Hashes, listed: HammingIndex, radius: int) -> tuple[Rows, Rows]:
    """For every hash the nearest one of some others that is near enough; of equally near ones the first.

    Args:
        hashes: `(N, 32)` uint8.
        listed: The others.
        radius: As `pairs_within`.

    Returns:
        `(N,)` row of the nearest, -1 where none is near enough; and `(N,)` bits in which it differs, -1 there.
    """
    size = max(1, len(listed))
    best = np.full(len(hashes), (BITS + 1) * size, np.int64)  # distance and row in one number
    for found in _either_way(hashes, listed, radius):
        np.minimum.at(best, found.left, found.distance * size + found.right)
    some = best < (BITS + 1) * size
    return np.where(some, best % size, -1), np.where(some, best // size, -1)


def _either_way(hashes: Hashes, listed: HammingIndex, radius: int) -> Iterator[Pairs]:
    """Looking up is what costs: where the others are much fewer, it is they that are looked up."""
    if _FEW // 2 < len(listed) < len(hashes) // 4:
        for found in HammingIndex(hashes).pairs(listed.hashes, radius):
            yield Pairs(found.right, found.left, found.distance)
    else:
        yield from listed.pairs(hashes, radius)


class HammingIndex:
    """Hashes that others are looked up in, many times; it takes about 160 bytes a hash.

    Args:
        hashes: `(M, 32)` uint8.
    """

    def __init__(self, hashes: Hashes) -> None:
        self.hashes = checked(hashes)
        self._sorted: _Sorted | None = None

    def __len__(self) -> int:
        return len(self.hashes)

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> HammingIndex:
        """The index that `stored` gave, perhaps mapped from files: it costs no sorting, and reads what is looked at.

        Args:
            arrays: As `shapes` says. What they hold is not proved again, but no search goes beyond them.

        Raises:
            ValueError: They are of another shape or type, or their numbers lead outside.
        """
        index = cls(arrays["hashes"])
        index._sorted = _Sorted(arrays["order"], arrays["near"], arrays["offsets"])
        index._sorted.check(len(index))
        return index

    def shapes(self) -> dict[str, tuple[str, tuple[int, ...]]]:
        """What `stored` gives: of each array by its name the type and the sides.

        Returns:
            `hashes` `(M, 32)` uint8; `order` `(16, M)` uint32, rows in the order of each piece; `near`
            `(16, M + 64)` uint32, the half words in that order and zeros; `offsets` `(16, 65537)` uint32, where the
            rows of each value of a piece begin.
        """
        sides = {"order": len(self), "near": len(self) + _WIDEST, "offsets": _VALUES + 1}
        return {
            "hashes": ("|u1", self.hashes.shape),
            **{name: ("<u4", (_PIECES, side)) for name, side in sides.items()},
        }

    def stored(self) -> Iterator[tuple[str, npt.NDArray[Any]]]:
        """What there is to store: names of the arrays and what follows of each, one piece of the index at a time.

        Little more is in memory than one piece, a sixteenth of the index.
        """
        yield "hashes", self.hashes
        for piece in range(_PIECES):
            yield from zip(("order", "near", "offsets"), _sorted_by(self.hashes, piece), strict=True)

    def pairs(self, hashes: Hashes, radius: int, threads: int | None = None) -> Iterator[Pairs]:
        """All pairs of one of `hashes` (left) and one of the index (right) within `radius` bits, each once, in blocks.

        Args:
            hashes: `(N, 32)` uint8.
            radius: As `pairs_within`.
            threads: How many work at a time; as many as there are cores by default. The pairs, and their order, are
                the same.

        Raises:
            ValueError: The hashes are no `(N, 32)` uint8.
        """
        hashes = checked(hashes)
        if radius > FARTHEST or len(self) <= _FEW:
            yield from each_with_each(_words(hashes), _words(self.hashes), radius)
            return
        table = self._by_piece()
        blocks = [
            partial(self._looked_up, table, hashes[start : start + _BLOCK], start, radius)
            for start in range(0, len(hashes), _BLOCK)
        ]
        yield from one_after_another(blocks, usable_cores() if threads is None else threads)

    def _by_piece(self) -> _Sorted:
        if self._sorted is None:
            self._sorted = _sorted(self.hashes)
        return self._sorted

    def _looked_up(self, table: _Sorted, hashes: Hashes, start: int, radius: int) -> Iterator[Pairs]:
        """The pairs of some hashes."""
        theirs = self.hashes.view(np.uint64)
        pieces, halves, words = hashes.view(np.uint16), hashes.view(np.uint32), hashes.view(np.uint64)
        for piece in range(_PIECES):
            half = np.ascontiguousarray(halves[:, piece // 2])
            for left, right in table.near_ones(piece, pieces[:, piece], half, radius):
                difference = words[left] ^ theirs[right]
                distance = np.bitwise_count(difference).sum(axis=1, dtype=np.int64)
                near = np.flatnonzero(distance <= radius)
                near = near[_first_found(difference[near], piece, radius)]
                if len(near):
                    yield Pairs(left[near] + start, right[near], distance[near])


class _Sorted(NamedTuple):
    """The half words of all hashes, sorted sixteen times; see `HammingIndex.shapes`."""

    order: npt.NDArray[np.uint32]
    near: npt.NDArray[np.uint32]
    offsets: npt.NDArray[np.uint32]

    def check(self, count: int) -> None:
        """Raise ValueError where the arrays are none that a search can rely on."""
        wanted = ((_PIECES, count), (_PIECES, count + _WIDEST), (_PIECES, _VALUES + 1))
        for name, values, shape in zip(self._fields, self, wanted, strict=True):
            if values.shape != shape or values.dtype != np.uint32 or not values.flags.c_contiguous:
                raise ValueError(f"{name} is {values.shape} of {values.dtype}, not {shape} of uint32")
        if (self.offsets[:, 0] != 0).any() or (self.offsets[:, -1] != count).any():
            raise ValueError("offsets do not lead from the first row to the last")
        if (self.offsets[:, 1:] < self.offsets[:, :-1]).any() or (count and self.order.max() >= count):
            raise ValueError("offsets do not ascend, or order names rows that are not there")

    def near_ones(
        self, piece: int, keys: npt.NDArray[np.uint16], halves: npt.NDArray[np.uint32], radius: int
    ) -> Iterator[tuple[Rows, Rows]]:
        """Rows looked up, and rows with the same piece or a neighbour of it, where the half words differ in few bits.

        Args:
            piece: Which of the sixteen.
            keys: `(N,)` that piece of the hashes looked up.
            halves: `(N,)` the half word that it lies in.
            radius: Of the whole hash.
        """
        width = self._width()
        owners, begins, ends = self._visited(piece, keys, width, radius)
        # so many rows from every place on, as one item: fetched by one copy
        fetched = np.ndarray(self.order.shape[1] + _WIDEST - width + 1, f"V{4 * width}", self.near[piece], 0, (4,))
        step = max(1, _COMPARED // 2 // width)
        for low in range(0, len(owners), step):
            some = slice(low, low + step)
            others = fetched[begins[some]].view(np.uint32).reshape(-1, width)
            others ^= halves[owners[some], None]
            hit = np.flatnonzero(np.bitwise_count(others) <= radius // 8)
            window = hit // width + low
            place = begins[window] + hit % width
            inside = place < ends[window]
            yield owners[window[inside]], self.order[piece][place[inside]].astype(np.int64)

    def _width(self) -> int:
        """Rows to fetch together: most pieces of independent bits have no more of them."""
        mean = float(self.order.shape[1] / _VALUES)
        return min(_WIDEST, 2 * math.ceil((mean + 2 * math.sqrt(mean)) / 2) + 2)

    def _visited(self, piece: int, keys: npt.NDArray[np.uint16], width: int, radius: int) -> tuple[Rows, Rows, Rows]:
        """For each place to fetch `width` rows from: who wants them, where they begin, and where they end."""
        offsets = self.offsets[piece]
        masks = np.array([0, *(1 << bit for bit in range(16))][: 1 + 16 * (radius // _PIECES)], np.uint16)
        wanted = (keys[:, None] ^ masks).ravel()
        begins, ends = offsets[:-1][wanted].astype(np.int64), offsets[1:][wanted].astype(np.int64)
        some = np.flatnonzero(ends > begins)
        owners, begins, ends = some // len(masks), begins[some], ends[some]
        times = (ends - begins + width - 1) // width
        if len(times) and times.max() > 1:
            last = np.cumsum(times)
            part = np.arange(last[-1]) - np.repeat(last - times, times)
            owners, begins, ends = (np.repeat(one, times) for one in (owners, begins, ends))
            begins += part * width
        return owners, begins, ends


def each_with_each(left: Words, right: Words, radius: int) -> Iterator[Pairs]:
    """All pairs within a radius, by comparing each with each.

    Args:
        left: `(4, N)`, the words of the hashes; each word of all hashes lies together.
        right: `(4, M)`.
        radius: In bits.

    Yields:
        At most about a hundred thousand pairs at a time.
    """
    for first in range(0, right.shape[1], _COMPARED):
        others = right[:, first : first + _COMPARED]
        width = others.shape[1]
        step = max(1, _COMPARED // width)
        for start in range(0, left.shape[1], step):
            block = left[:, start : start + step]
            distance = np.zeros((block.shape[1], width), np.uint16)
            for mine, other in zip(block, others, strict=True):
                np.add(distance, np.bitwise_count(mine[:, None] ^ other[None, :]), out=distance)
            found = np.flatnonzero(distance <= radius)
            if len(found):
                yield Pairs(found // width + start, found % width + first, distance.ravel()[found].astype(np.int64))


def checked(hashes: Hashes) -> Hashes:
    """The hashes, one behind the other.

    Raises:
        ValueError: They are no `(N, 32)` uint8.
    """
    if hashes.ndim != 2 or hashes.shape[1] != _BYTES or hashes.dtype != np.uint8:
        raise ValueError(f"hashes are an (N, {_BYTES}) array of uint8, not {hashes.shape} of {hashes.dtype}")
    return np.ascontiguousarray(hashes)


def _words(hashes: Hashes) -> Words:
    return np.ascontiguousarray(hashes.view(np.uint64).T)


def _sorted(hashes: Hashes) -> _Sorted:
    """For each piece the rows in its order, their half words in that order, and where each value begins."""
    count = len(hashes)
    order = np.empty((_PIECES, count), np.uint32)
    near = np.empty((_PIECES, count + _WIDEST), np.uint32)
    offsets = np.empty((_PIECES, _VALUES + 1), np.uint32)
    for piece in range(_PIECES):
        order[piece], near[piece], offsets[piece] = _sorted_by(hashes, piece)
    return _Sorted(order, near, offsets)


def _sorted_by(hashes: Hashes, piece: int) -> tuple[npt.NDArray[np.uint32], ...]:
    """The same of one piece: `(M,)`, `(M + 64,)`, `(65537,)`."""
    count = len(hashes)
    keys = np.ascontiguousarray(hashes.view(np.uint16)[:, piece])
    order = np.argsort(keys, kind="stable").astype(np.uint32)
    near, offsets = np.zeros(count + _WIDEST, np.uint32), np.zeros(_VALUES + 1, np.uint32)
    near[:count] = hashes.view(np.uint32)[:, piece // 2][order]
    offsets[1:] = np.cumsum(np.bincount(keys, minlength=_VALUES))
    return order, near, offsets


def _first_found(difference: Words, piece: int, radius: int) -> npt.NDArray[np.bool_]:
    """Which pairs no earlier piece finds, and this one does.

    Args:
        difference: `(K, 4)`, bits in which two hashes differ.
        piece: The piece.
        radius: Of the whole hash.
    """
    pieces = np.bitwise_count(difference.view(np.uint16)[:, : piece + 1]) <= radius // _PIECES
    halves = np.bitwise_count(difference.view(np.uint32)[:, : piece // 2 + 1]) <= radius // 8
    finds = pieces & np.repeat(halves, 2, axis=1)[:, : piece + 1]
    new: npt.NDArray[np.bool_] = finds[:, piece] & ~finds[:, :piece].any(axis=1)
    return new

"""Hashes of 256 bits that differ in few bits, found among many without comparing each with each.

Sixteen pieces of 16 bits that together differ in at most 31 bits cannot all differ in two: one of them differs in at
most one bit (M. Norouzi et al., "Fast Exact Search in Hamming Space with Multi-Index Hashing", TPAMI 2014). So the
pieces of one side are sorted, the other side looks up its own pieces and their 16 neighbours, and only what is found
there, one pair of 240 where the bits are independent, is compared. Nothing is missed. Work is done in blocks, so that
memory does not grow with the number of pairs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

BITS = 256
FARTHEST = 31
"""Distance up to which pairs are found without comparing each with each; what PDQ's authors call a match."""

_BYTES = BITS // 8
_PIECES = 16
_FEW = 512  # hashes up to which comparing each with each is the faster way
_BLOCK = 1 << 20  # lookups, or pairs that they find, at a time
_COMPARED = 1 << 17  # pairs to compare at a time where each is compared with each: they stay in the processor's cache

Hashes = npt.NDArray[np.uint8]


class Pairs(NamedTuple):
    """Some pairs of hashes.

    Attributes:
        left: `(K,)` int64, row of the one hash.
        right: `(K,)` int64, row of the other.
        distance: `(K,)` int64, bits in which they differ.
    """

    left: npt.NDArray[np.int64]
    right: npt.NDArray[np.int64]
    distance: npt.NDArray[np.int64]


def pairs_within(left: Hashes, right: Hashes, radius: int) -> Iterator[Pairs]:
    """All pairs of a hash of `left` and one of `right` that differ in at most `radius` bits, each once, in blocks.

    Args:
        left: `(N, 32)` uint8.
        right: `(M, 32)` uint8.
        radius: 0 to 256; beyond 31 each is compared with each.

    Yields:
        At most about a million pairs at a time, in no particular order.
    """
    if len(left) <= len(right):
        yield from HammingIndex(right).pairs(left, radius)
    else:
        for found in HammingIndex(left).pairs(right, radius):
            yield Pairs(found.right, found.left, found.distance)


def nearest_within(
    hashes: Hashes, listed: HammingIndex, radius: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
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
    """Hashes that others are looked up in, many times; it takes about 130 bytes a hash.

    Args:
        hashes: `(M, 32)` uint8.
    """

    def __init__(self, hashes: Hashes) -> None:
        self.hashes = _checked(hashes)
        self._words = np.ascontiguousarray(self.hashes.view(np.uint64).T)  # a word of all hashes lies together
        self._sorted: list[tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]] = []

    def __len__(self) -> int:
        return len(self.hashes)

    def pairs(self, hashes: Hashes, radius: int) -> Iterator[Pairs]:
        """All pairs of one of `hashes` (left) and one of the index (right) within `radius` bits, each once, in blocks.

        Args:
            hashes: `(N, 32)` uint8.
            radius: As `pairs_within`.

        Raises:
            ValueError: The hashes are no `(N, 32)` uint8.
        """
        hashes = _checked(hashes)
        words = np.ascontiguousarray(hashes.view(np.uint64).T)
        if radius > FARTHEST or len(self) <= _FEW:
            yield from self._by_force(words, radius)
            return
        if not self._sorted:
            self._sorted = [_sorted_by(piece) for piece in self.hashes.view(np.uint16).T]
        differing = radius // _PIECES
        for start in range(0, len(hashes), step := _BLOCK // (_PIECES + 1)):
            block = np.ascontiguousarray(hashes[start : start + step])
            for piece in range(_PIECES):
                for rows, others in self._looked_up(block.view(np.uint16)[:, piece], piece, differing):
                    found = self._near(words, rows + start, others, radius)
                    yield from self._first_seen(words, found, piece, differing)

    def _by_force(self, words: npt.NDArray[np.uint64], radius: int) -> Iterator[Pairs]:
        for first in range(0, len(self), _COMPARED):
            others = self._words[:, first : first + _COMPARED]
            width = others.shape[1]
            step = max(1, _COMPARED // width)
            for start in range(0, words.shape[1], step):
                block = words[:, start : start + step]
                distance = np.zeros((block.shape[1], width), np.uint16)
                for mine, other in zip(block, others, strict=True):
                    np.add(distance, np.bitwise_count(mine[:, None] ^ other[None, :]), out=distance)
                found = np.flatnonzero(distance <= radius)
                if len(found):
                    yield Pairs(found // width + start, found % width + first, distance.ravel()[found].astype(np.int64))

    def _looked_up(
        self, keys: npt.NDArray[np.uint16], piece: int, differing: int
    ) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
        """Rows of `keys` and of the index whose piece is the same, or differs in one bit where that may be."""
        order, offsets = self._sorted[piece]
        masks = np.array([0, *(1 << bit for bit in range(16))][: 1 + 16 * differing], np.uint16)
        probes = (keys[:, None] ^ masks[None, :]).ravel()
        counts = offsets[1:][probes] - offsets[:-1][probes]
        hit = np.flatnonzero(counts)
        probes, counts = probes[hit], counts[hit]
        owners = hit // len(masks)
        ends = np.cumsum(counts)
        total = int(ends[-1]) if len(ends) else 0
        for low in range(0, total, _BLOCK):
            high = min(total, low + _BLOCK)
            some = slice(int(np.searchsorted(ends, low, "right")), int(np.searchsorted(ends, high, "left")) + 1)
            begins = ends[some] - counts[some]
            taken = np.minimum(ends[some], high) - np.maximum(begins, low)
            place = np.repeat(offsets[:-1][probes[some]] - begins, taken) + np.arange(low, high)
            yield np.repeat(owners[some], taken), order[place].astype(np.int64)

    def _near(
        self, words: npt.NDArray[np.uint64], rows: npt.NDArray[np.int64], others: npt.NDArray[np.int64], radius: int
    ) -> Pairs:
        """Those of some pairs that are near enough; after every word, only pairs that still may be are looked at."""
        distance = np.zeros(len(rows), np.int64)
        for mine, other in zip(words, self._words, strict=True):
            distance = distance + np.bitwise_count(mine[rows] ^ other[others])
            kept = np.flatnonzero(distance <= radius)
            rows, others, distance = rows[kept], others[kept], distance[kept]
        return Pairs(rows, others, distance)

    def _first_seen(self, words: npt.NDArray[np.uint64], found: Pairs, piece: int, differing: int) -> Iterator[Pairs]:
        """Without the pairs that an earlier piece has found."""
        if not len(found.left):
            return
        difference = np.ascontiguousarray((words[:, found.left] ^ self._words[:, found.right]).T)
        earlier = np.bitwise_count(difference.view(np.uint16)[:, :piece]) <= differing
        new = ~earlier.any(axis=1)
        if new.any():
            yield Pairs(found.left[new], found.right[new], found.distance[new])


def _sorted_by(piece: npt.NDArray[np.uint16]) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    """Rows in the order of their piece, and where the rows of each of its 65,536 values begin."""
    order = np.argsort(piece, kind="stable").astype(np.int32)
    counts = np.bincount(piece, minlength=1 << 16)
    return order, np.concatenate([[0], np.cumsum(counts)])


def _checked(hashes: Hashes) -> Hashes:
    if hashes.ndim != 2 or hashes.shape[1] != _BYTES or hashes.dtype != np.uint8:
        raise ValueError(f"hashes are an (N, {_BYTES}) array of uint8, not {hashes.shape} of {hashes.dtype}")
    return np.ascontiguousarray(hashes)

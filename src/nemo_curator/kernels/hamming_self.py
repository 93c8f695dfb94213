"""All pairs of hashes of 256 bits that differ in few bits, among very many, without comparing each with each.

Of four words of 64 bits that together differ in at most 31 bits, one differs in at most 7; one of its halves in at
most 3; of six pieces of that half at least three do not differ at all (the pigeonhole of M. Norouzi et al., "Fast
Exact Search in Hamming Space with Multi-Index Hashing", TPAMI 2014, in three steps). So for each of 8 halves and 20
choices of three pieces, the hashes are sorted by these pieces, about 16 bits, and those with equal pieces are compared
by their word. Behind the sorting they lie side by side: each row is compared with the one that is 1, 2, 3 … rows
further, which is one pass over an array in the processor's cache and costs under a nanosecond a pair; 16 pairs of a
million pass by chance. Nothing is missed. Groups are sorted by size, largest first, so that only those rows are
looked at which have a neighbour that far.

Threads: each works at one choice of pieces with arrays of its own; the hashes are only read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import combinations
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from nemo_curator.cores import usable_cores
from nemo_curator.kernels.hamming import FARTHEST, Hashes, Pairs, checked, each_with_each
from nemo_curator.kernels.side_by_side import one_after_another

_FEW = 3_000  # hashes up to which comparing each with each is the faster way
_WIDTHS = (6, 6, 5, 5, 5, 5)  # bits of the six pieces of a half
_STARTS = tuple(sum(_WIDTHS[:at]) for at in range(6))
_MASKS = tuple(np.uint32(((1 << width) - 1) << start) for width, start in zip(_WIDTHS, _STARTS, strict=True))
_CLEAN = 3  # pieces that hashes are sorted by
_KEY = 16  # bits of these at most: one bit of three wide pieces is left to the comparison
_ROWS = 1 << 15  # compared at a time: they and what is made of them stay in the cache
_BLOCK = 1 << 19  # pairs that have passed, looked at more closely at a time

Rows = npt.NDArray[np.int64]


class _Choice(NamedTuple):
    """One way to sort: by which pieces of which half of 32 bits."""

    half: int
    pieces: tuple[int, ...]


class _Limits(NamedTuple):
    """How far apart a pair may be in all, in one of its words, and in how many pieces of one half of that."""

    whole: int
    word: int
    pieces: int


def self_pairs(
    hashes: Hashes, radius: int, threads: int | None = None, progress: Callable[[float], None] = lambda _: None
) -> Iterator[Pairs]:
    """All pairs of hashes that differ in at most `radius` bits, each once, in blocks.

    Many equal hashes make many pairs, and each is found: who has such lists keeps one of each.

    Args:
        hashes: `(N, 32)` uint8.
        radius: 0 to 256; beyond 31 each is compared with each.
        threads: How many work at a time; as many as there are cores by default. The pairs and their order are the same.
        progress: Told, in the reader's thread, which share of the search is done.

    Yields:
        At most about half a million pairs at a time, left < right, in no particular order but always the same.

    Raises:
        ValueError: The hashes are no `(N, 32)` uint8.
    """
    words = np.ascontiguousarray(checked(hashes).view(np.uint64).T)
    if radius > FARTHEST or len(hashes) <= _FEW:
        yield from _by_force(words, radius, progress)
        return
    halves = np.ascontiguousarray(hashes.view(np.uint32).T)
    limits = _Limits(radius, radius // 4, radius // 8)
    # of the first so many pieces of a half, three at least do not differ
    choices = combinations(range(_CLEAN + limits.pieces), _CLEAN)
    every = [_Choice(half, pieces) for pieces in choices for half in range(8)]
    makers = [partial(_pairs, words, halves, choice, limits) for choice in every]
    done = 0
    for found_or_end in one_after_another(makers, usable_cores() if threads is None else threads):
        if found_or_end is not None:
            yield found_or_end
        else:
            done += 1
            progress(done / len(every))


def _by_force(words: npt.NDArray[np.uint64], radius: int, progress: Callable[[float], None]) -> Iterator[Pairs]:
    count = words.shape[1]
    for low in range(0, count, _ROWS):
        high = min(count, low + _ROWS)
        for found in each_with_each(words[:, :high], words[:, low:high], radius):
            right = found.right + low
            once = found.left < right
            if once.any():
                yield Pairs(found.left[once], right[once], found.distance[once])
        progress((high / count) ** 2)
    progress(1.0)


def _pairs(
    words: npt.NDArray[np.uint64], halves: npt.NDArray[np.uint32], choice: _Choice, limits: _Limits
) -> Iterator[Pairs | None]:
    """The pairs that this choice is the first to find; then None."""
    keys = _keys(halves[choice.half], choice.pieces)
    for left, right in _neighbours(keys, words[choice.half // 2], limits.word):
        found = _first_found(words, halves, (left, right), choice, limits)
        if len(found.left):
            yield found
    yield None


def _keys(half: npt.NDArray[np.uint32], pieces: tuple[int, ...]) -> npt.NDArray[np.uint16]:
    """The pieces side by side in 16 bits."""
    keys, filled = np.zeros(len(half), np.uint32), 0
    for piece in pieces:
        width = min(_WIDTHS[piece], _KEY - filled)
        keys |= (half >> np.uint32(_STARTS[piece]) & np.uint32((1 << width) - 1)) << np.uint32(filled)
        filled += width
    return keys.astype(np.uint16)


def _neighbours(keys: npt.NDArray[np.uint16], words: npt.NDArray[np.uint64], most: int) -> Iterator[tuple[Rows, Rows]]:
    """Rows with equal keys whose words differ in at most so many bits; a few others whose keys differ may be there."""
    order, reach = _grouped(keys)
    near = words[order]
    difference, bits = np.empty(_ROWS, np.uint64), np.empty(_ROWS, np.uint8)
    lefts: list[Rows] = []
    rights: list[Rows] = []
    waiting = 0
    for start in range(0, len(near), _ROWS):
        for apart in range(1, len(reach)):
            stop = min(start + _ROWS, int(reach[apart]) - apart)
            if stop <= start:
                break
            size = stop - start
            np.bitwise_xor(near[start:stop], near[start + apart : stop + apart], out=difference[:size])
            np.bitwise_count(difference[:size], out=bits[:size])
            hit = np.flatnonzero(bits[:size] <= most)
            if len(hit):
                hit += start
                lefts.append(order[hit])
                rights.append(order[hit + apart])
                waiting += len(hit)
            if waiting >= _BLOCK:
                yield np.concatenate(lefts), np.concatenate(rights)
                lefts, rights, waiting = [], [], 0
    if waiting:
        yield np.concatenate(lefts), np.concatenate(rights)


def _grouped(keys: npt.NDArray[np.uint16]) -> tuple[Rows, Rows]:
    """Rows by their keys, the key that most have first; and how many rows have a key that more than 0, 1, 2 … have."""
    sizes = np.bincount(keys, minlength=1 << 16)
    rank = np.empty(1 << 16, np.uint16)
    narrow = sizes.astype(np.uint16) if len(keys) < 1 << 16 or sizes.max() < 1 << 16 else sizes  # sorts much faster
    rank[np.argsort(narrow, kind="stable")[::-1]] = np.arange(1 << 16, dtype=np.uint16)
    rows = np.bincount(sizes)
    rows *= np.arange(len(rows))
    return np.argsort(rank[keys], kind="stable"), rows[::-1].cumsum()[::-1][1:]


def _first_found(
    words: npt.NDArray[np.uint64],
    halves: npt.NDArray[np.uint32],
    pairs: tuple[Rows, Rows],
    choice: _Choice,
    limits: _Limits,
) -> Pairs:
    """Those near enough whose first near word, first near half of it and first equal pieces of that are these."""
    left, right = pairs
    mine = halves[choice.half]
    difference = mine[left] ^ mine[right]
    new = _pieces_differing(difference) <= limits.pieces
    for piece in range(choice.pieces[-1] + 1):
        differs = (difference & _MASKS[piece]) != 0
        new &= ~differs if piece in choice.pieces else differs
    left, right = left[new], right[new]
    if choice.half % 2:
        before = halves[choice.half - 1]
        new = _pieces_differing(before[left] ^ before[right]) > limits.pieces
        left, right = left[new], right[new]
    distance = np.zeros(len(left), np.int64)
    for at, word in enumerate(words):
        bits = np.bitwise_count(word[left] ^ word[right])
        distance += bits
        new = distance <= limits.whole
        if at < choice.half // 2:
            new &= bits > limits.word
        if not new.all():
            left, right, distance = left[new], right[new], distance[new]
    return Pairs(np.minimum(left, right), np.maximum(left, right), distance)


def _pieces_differing(difference: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint8]:
    count = np.zeros(len(difference), np.uint8)
    for mask in _MASKS:
        count += (difference & mask) != 0
    return count

"""Byte-pair encoding of one piece of text: its bytes, joined two by two in the order in which the pairs were learnt.

Source: R. Sennrich, B. Haddow and A. Birch, "Neural Machine Translation of Rare Words with Subword Units", ACL 2016; on
bytes as in A. Radford et al., "Language Models are Unsupervised Multitask Learners", 2019.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from functools import lru_cache

import numpy as np
import numpy.typing as npt

ENOUGH = 4096
"""Bytes of a piece that are joined. What follows cannot change the first 75 tokens: a token is at most 32 bytes
long, and by the rules of CLIP's vocabulary no byte has a say in what stands more than 1,456 bytes before it."""

_REMEMBERED = 1 << 14  # pieces whose tokens are kept
_WORD = 32  # bytes; longer pieces hardly come again

# Tokens of single bytes are numbered in this order: those with a visible sign in Latin-1 first, then the others.
_VISIBLE = (*range(33, 127), *range(161, 173), *range(174, 256))
_NUMBER = {byte: number for number, byte in enumerate((*_VISIBLE, *(b for b in range(256) if b not in _VISIBLE)))}
FIRST = 512
"""Number of the first token that is made of two: below are the 256 bytes, and the 256 that end a piece."""


class Merging:
    """Tokens of pieces.

    Args:
        pairs: uint16 `(M, 2)`: token numbers of each pair that becomes token `FIRST + i`, in the order of learning.
    """

    def __init__(self, pairs: npt.NDArray[np.uint16]) -> None:
        keys = (pairs[:, 0].astype(np.int64) << 16) | pairs[:, 1]
        self._made: Mapping[int, int] = dict(zip(keys.tolist(), range(FIRST, FIRST + len(pairs)), strict=True))
        self._of_word = lru_cache(_REMEMBERED)(self._joined)

    def __call__(self, piece: str) -> tuple[int, ...]:
        """The tokens of a piece, of which those of its first `ENOUGH` bytes are given.

        Args:
            piece: Not empty. A lone surrogate, which is no character, counts as a question mark.
        """
        data = piece[:ENOUGH].encode("utf-8", "replace")
        return self._of_word(data) if len(data) <= _WORD else self._joined(data[:ENOUGH])

    def _joined(self, data: bytes) -> tuple[int, ...]:
        tokens = [_NUMBER[byte] for byte in data]
        tokens[-1] += 256
        return tuple(_join(tokens, self._made))


def _join(tokens: list[int], made: Mapping[int, int]) -> list[int]:
    """Join neighbours, always the pair that was learnt first and of those the leftmost, until none can be joined."""
    count = len(tokens)
    before, after = list(range(-1, count - 1)), list(range(1, count + 1))
    waiting: list[tuple[int, int]] = []

    def offer(left: int, right: int) -> None:
        token = made.get(tokens[left] << 16 | tokens[right]) if left >= 0 and right < count else None
        if token is not None:
            heapq.heappush(waiting, (token, left))

    for left in range(count - 1):
        offer(left, left + 1)
    while waiting:
        token, left = heapq.heappop(waiting)
        right = after[left]
        if tokens[left] < 0 or right == count or made.get(tokens[left] << 16 | tokens[right]) != token:
            continue  # one of the two was joined with another one since
        tokens[left], tokens[right] = token, -1
        after[left] = beyond = after[right]
        if beyond < count:
            before[beyond] = left
        offer(before[left], left)
        offer(left, beyond)
    return [token for token in tokens if token >= 0]

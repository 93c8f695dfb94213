"""Hashes to search in."""

from __future__ import annotations

import numpy as np


def random_hashes(random: np.random.Generator, count: int) -> np.ndarray:
    """Hashes that have nothing to do with one another."""
    return random.integers(0, 256, (count, 32), dtype=np.uint8)


def changed(random: np.random.Generator, hashes: np.ndarray, bits: int) -> np.ndarray:
    """Hashes with exactly so many of their bits changed."""
    spread = np.unpackbits(hashes, axis=1)
    for row in spread:
        row[random.choice(256, bits, replace=False)] ^= 1
    return np.packbits(spread, axis=1)


def distances(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Bits in which each differs from each."""
    return np.unpackbits(left[:, None] ^ right[None], axis=2).sum(axis=2, dtype=np.int64)

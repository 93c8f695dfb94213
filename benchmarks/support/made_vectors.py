"""Made embeddings: unit rows in clusters of many sizes, of which a fifth are near copies of others."""

from __future__ import annotations

from pathlib import Path

import numpy as np

SHARE = 0.2  # rows that are near copies
COSINES = (0.93, 1.0)  # of a copy to its original
_AT_ONCE = 50_000


def make_vectors(path: Path, rows: int, dimension: int, seed: int = 0) -> None:
    """Write them as one `.npy` of 16-bit floats.

    A row is a centre plus noise of the same length, so that rows of one cluster have a cosine of about a half; sizes of
    clusters fall off as a power law. A copy is a row turned by a known angle.

    Args:
        path: The file.
        rows: How many.
        dimension: Numbers in each.
        seed: Of everything random.
    """
    random = np.random.default_rng(seed)
    centres = _unit(random.standard_normal((max(10, rows // 500), dimension), np.float32))
    made = np.lib.format.open_memmap(path, "w+", np.float16, (rows, dimension))
    for start in range(0, rows, _AT_ONCE):
        count = min(_AT_ONCE, rows - start)
        noise = random.standard_normal((count, dimension), np.float32) / np.sqrt(np.float32(dimension))
        block = _unit(centres[random.zipf(1.3, count) % len(centres)] + noise)
        copies = int(SHARE * count)
        base = block[random.integers(count, size=copies)]
        cosines = random.uniform(*COSINES, (copies, 1)).astype(np.float32)
        away = random.standard_normal((copies, dimension), np.float32)
        away = _unit(away - base * (away * base).sum(axis=1, keepdims=True))
        block[random.choice(count, copies, replace=False)] = base * cosines + away * np.sqrt(1 - cosines**2)
        made[start : start + count] = block
    made.flush()


def _unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)

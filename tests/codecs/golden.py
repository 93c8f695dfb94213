"""What other decoders saw in a picture, kept as a few numbers: its upright size and the means of 16 x 16 blocks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parents[1] / "data" / "golden"
BLOCKS = 16

REFUSED = {
    # its scan is broken at every restart: a third of its blocks are black or from elsewhere, in every decoder
    "pillow/hopper_bad_exif.jpg": "extraneous bytes before marker 0xd0",
    # the libtiff in Pillow's wheels is built without WebP
    "pillow/hopper_webp.tif": "no decoder for TIFF compressed by webp",
}
"""Odd files that we do not show, each with what its record says; the documentation says the same."""


@dataclass(frozen=True)
class Golden:
    """One picture as another decoder saw it.

    Attributes:
        maker: The decoder.
        size: Width and height in pixels, upright.
        grid: `(16, 16, 3)` uint8, means of blocks.
    """

    maker: str
    size: tuple[int, int]
    grid: np.ndarray


def grid_of(pixels: np.ndarray) -> np.ndarray:
    """Means of 16 x 16 blocks of `(H, W, 3)` pixels, `(16, 16, 3)` float64; of a side below 16, blocks repeat."""
    sums = np.zeros((pixels.shape[0] + 1, pixels.shape[1] + 1, 3))
    sums[1:, 1:] = pixels.astype(np.float64).cumsum(axis=0).cumsum(axis=1)
    (top, bottom), (left, right) = (_edges(side) for side in pixels.shape[:2])
    totals = sums[bottom][:, right] - sums[top][:, right] - sums[bottom][:, left] + sums[top][:, left]
    return totals / ((bottom - top)[:, None] * (right - left))[..., None]


def _edges(side: int) -> tuple[np.ndarray, np.ndarray]:
    """Where the blocks of one axis begin and end."""
    first = np.arange(BLOCKS) * side // BLOCKS
    return first, np.maximum(np.arange(1, BLOCKS + 1) * side // BLOCKS, first + 1)


def off(pixels: np.ndarray, golden: Golden) -> float:
    """Mean absolute difference of the blocks, in levels of 255; infinite where the size is another."""
    if pixels.shape[1::-1] != golden.size:
        return float("inf")
    return float(np.abs(grid_of(pixels) - golden.grid).mean())


def keep(name: str, found: dict[str, Golden]) -> None:
    """Write a collection."""
    np.savez_compressed(
        FOLDER / f"{name}.npz",
        names=np.array(list(found)),
        makers=np.array([golden.maker for golden in found.values()]),
        sizes=np.array([golden.size for golden in found.values()], np.int32),
        grids=np.stack([golden.grid for golden in found.values()]),
    )


def kept(name: str) -> dict[str, Golden]:
    """Read a collection."""
    with np.load(FOLDER / f"{name}.npz", allow_pickle=False) as stored:
        columns = zip(stored["names"], stored["makers"], stored["sizes"].tolist(), stored["grids"], strict=True)
        return {str(file): Golden(str(maker), tuple(size), grid) for file, maker, size, grid in columns}

"""PDQ: 256 bits that stay nearly the same when a picture is re-saved, resized or slightly changed.

Source: "The TMK+PDQF Video-Hashing Algorithm and the PDQ Image-Hashing Algorithm", Facebook, 2019. Brightness, two
passes of a box filter in each direction, every 64th part sampled, a cosine transform of which the 16 x 16 lowest
frequencies without the constant stay, and one bit for each: whether it is above their median.

All that before the transform is linear and separable, so it is one matrix a direction, `(64, length)`. A picture that
was reduced before is read through the matrix of its original size, summed over each of its pixels: the samples then
lie where they would lie in the original, and the hash of a small view is that of the full picture to within a few
bits. Numbers are whole and below 2**53 in every product and sum, so that the hash is the same on every machine.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Self

import numpy as np
import numpy.typing as npt

BITS = 256
_SIDE = 64  # samples a direction
_LOWEST = 16  # frequencies a direction
_SMALLEST = 5  # pixels of the shorter side below which the authors give no hash
_LUMA = np.array([299, 587, 114], np.float32)  # BT.601 in thousandths; sums below 2**24 are exact in float32
_WEIGHT = 2.0**24  # of a sample's weights, and of the cosines
_KEPT = 2.0**10  # parts of a thousandth of a level that are kept after one direction
_PART = 16  # parts of a thousandth of a level that the samples have
_LEVEL = 1000 * _PART

Spectrum = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class PdqHash:
    """The hash of one picture.

    Attributes:
        bits: 32 bytes; all zero for a picture without structure, else half of the bits are set.
        quality: 0 (nothing to tell it by) to 100; the authors advise against hashes below 50.
    """

    bits: bytes
    quality: int

    @property
    def hex(self) -> str:
        """64 hex digits, as PDQ's own tools write them."""
        return self.bits.hex()

    @classmethod
    def of(cls, frequencies: Spectrum, quality: int) -> Self:
        """The hash of what `spectrum` gave."""
        return cls(pack(frequencies), quality)


def pdq(rgb: npt.NDArray[np.uint8], size: tuple[int, int] | None = None) -> PdqHash:
    """The PDQ hash of a picture.

    Args:
        rgb: `(H, W, 3)` uint8 RGB; 256 pixels on the longer side are enough where `size` is given.
        size: (width, height) of the picture that `rgb` was reduced from, by averaging; its own by default.
    """
    return PdqHash.of(*spectrum(rgb, size))


def spectrum(rgb: npt.NDArray[np.uint8], size: tuple[int, int] | None = None) -> tuple[Spectrum, int]:
    """What the hash is made of.

    Args:
        rgb: As `pdq`.
        size: As `pdq`.

    Returns:
        `(16, 16)` whole numbers, the lowest frequencies down and across; and the quality, 0 to 100.
    """
    if not _large_enough(rgb, size):
        return np.zeros((_LOWEST, _LOWEST)), 0
    samples = _samples(_luma(rgb), *_matrices(rgb, size))
    return _transformed(samples), _quality(samples)


def mirrored_spectra(
    rgb: npt.NDArray[np.uint8], size: tuple[int, int] | None = None
) -> tuple[Spectrum, Spectrum, Spectrum]:
    """The spectra of the picture mirrored left to right, top to bottom, and both.

    PDQ takes its samples, of most sizes, a part of a pixel nearer to the one side. So mirrored pictures are sampled
    elsewhere, and have not the spectrum with signs changed but one some bits from it.

    Args:
        rgb: As `pdq`.
        size: As `pdq`.
    """
    if not _large_enough(rgb, size):
        zeros = np.zeros((_LOWEST, _LOWEST))
        return zeros, zeros, zeros
    luma, (down, across) = _luma(rgb), _matrices(rgb, size)
    up, back = np.ascontiguousarray(down[:, ::-1]), np.ascontiguousarray(across[:, ::-1])
    ways = ((down, back), (up, across), (up, back))
    first, second, third = (_transformed(_samples(luma, *matrices)) for matrices in ways)
    return first, second, third


def pack(frequencies: Spectrum) -> bytes:
    """The 32 bytes of a spectrum: which of its numbers are above their lower median; the first is the last bit."""
    flat = frequencies.ravel()
    middle = np.partition(flat, BITS // 2 - 1)[BITS // 2 - 1]
    return np.packbits((flat > middle)[::-1]).tobytes()


def _large_enough(rgb: npt.NDArray[np.uint8], size: tuple[int, int] | None) -> bool:
    return bool(min(size or rgb.shape[:2]) >= _SMALLEST)


def _luma(rgb: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    brightness: npt.NDArray[np.float64] = (rgb.astype(np.float32) @ _LUMA).astype(np.float64)
    return brightness


def _matrices(
    rgb: npt.NDArray[np.uint8], size: tuple[int, int] | None
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """What takes the samples down, and across."""
    height, width = rgb.shape[:2]
    across, down = size or (width, height)
    return _sampling(height, max(height, down)), _sampling(width, max(width, across))


def _samples(
    luma: npt.NDArray[np.float64], down: npt.NDArray[np.float64], across: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """`(64, 64)` whole parts of a thousandth of a level."""
    rows = np.rint(down @ luma * (_KEPT / _WEIGHT))
    return np.rint(rows @ across.T * (_PART / _KEPT / _WEIGHT))


def _transformed(samples: npt.NDArray[np.float64]) -> Spectrum:
    centred = samples - samples[0, 0]  # a constant changes no frequency, and a uniform picture becomes exactly 0
    cosines = _cosines()
    half = np.rint(cosines @ centred * (1 / _WEIGHT))
    frequencies: Spectrum = half @ cosines.T
    return frequencies


def _quality(samples: npt.NDArray[np.float64]) -> int:
    """How much changes between neighbouring samples, in whole hundredths of the range; 90 of them are one point."""
    steps = [np.abs(np.diff(samples, axis=axis)).astype(np.int64) * 100 // (255 * _LEVEL) for axis in (0, 1)]
    return min(100, int(sum(int(step.sum()) for step in steps)) // 90)


@lru_cache(1)
def _cosines() -> npt.NDArray[np.float64]:
    """`(16, 64)` whole numbers: the second to seventeenth row of the orthogonal cosine transform of 64 samples."""
    scale = math.sqrt(2 / _SIDE) * _WEIGHT
    return np.array(
        [
            [round(scale * math.cos(math.pi / (2 * _SIDE) * row * (2 * at + 1))) for at in range(_SIDE)]
            for row in range(1, _LOWEST + 1)
        ],
        np.float64,
    )


@lru_cache(256)
def _sampling(length: int, full: int) -> npt.NDArray[np.float64]:
    """`(64, length)` whole numbers: the weight of every pixel of a line in each of its 64 samples; rows sum to 2**24.

    Args:
        length: Pixels of the line as it is.
        full: Pixels of the line that it was reduced from.
    """
    first, weights = _filtered(full)
    # what lies left of each pixel of the original, then of each pixel edge of the reduced line
    left = np.concatenate([np.zeros((_SIDE, 1)), np.cumsum(weights, axis=1)], axis=1)
    lowest = np.maximum(first, 0) * length // full
    count = weights.shape[1] * length // full + 3
    edges = lowest[:, None] + np.arange(count + 1)
    place = np.minimum(edges, length) * (full / length) - first[:, None]
    at = np.clip(place.astype(np.int64), 0, weights.shape[1] - 1)
    before = np.take_along_axis(left, at, 1)
    there = np.clip(place - at, 0.0, 1.0)
    reached = before + (np.take_along_axis(left, at + 1, 1) - before) * there
    shares = np.rint(np.diff(reached, axis=1) * _WEIGHT)
    matrix = np.zeros((_SIDE, length + count))
    np.put_along_axis(matrix, edges[:, :-1], shares, 1)
    matrix = matrix[:, :length]
    largest = matrix.argmax(axis=1)
    matrix[np.arange(_SIDE), largest] += _WEIGHT - matrix.sum(axis=1)  # equal sums: a uniform line stays uniform
    return np.ascontiguousarray(matrix)


def _filtered(full: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Where each of the 64 samples of a line begins, and the weights from there on.

    A window of w pixels reaches w // 2 to the right, is cut off at the ends of the line, and is an average of what is
    left of it. A sample is taken after two of them.
    """
    window = (full + 2 * _SIDE - 1) // (2 * _SIDE)
    right = window // 2
    left = window - 1 - right
    centres = (2 * np.arange(_SIDE) + 1) * full // (2 * _SIDE)
    start, stop = np.maximum(centres - left, 0), np.minimum(centres + right + 1, full)
    pixels = np.arange(full)
    share = 1.0 / (np.minimum(pixels + right + 1, full) - np.maximum(pixels - left, 0))
    summed = np.concatenate([[0.0], np.cumsum(share)])
    first = centres - 2 * window
    touched = first[:, None] + np.arange(4 * window + 1)
    # a pixel is averaged into those outputs of the first pass that lie `left` right of it to `right` left of it
    low = np.clip(touched - right, start[:, None], stop[:, None])
    high = np.clip(touched + left + 1, start[:, None], stop[:, None])
    inside = (touched >= 0) & (touched < full)
    return first, np.where(inside, summed[high] - summed[low], 0.0) / (stop - start)[:, None]

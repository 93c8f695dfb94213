"""How a picture uses the range from black to white.

Source: shares of the histogram of BT.601 luma; the zones are those of photo editors' clipping warnings (the last
levels) and of the outer eighths of the scale; black and white points are those of their levels tool, with half a per
cent of the pixels left aside at either end, as its automatic mode does.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from nemo_curator.kernels.luma import histogram as count

_DARK_BELOW = 32
_BRIGHT_FROM = 224
_ASIDE = 200  # one pixel in so many is beyond the black point, and one beyond the white point
_CLIPPED = 2  # levels at either end: black and white survive a JPEG within one level


class Exposure(NamedTuple):
    """Shares of all pixels, 0 to 1, and the mean.

    Attributes:
        dark: Pixels in the darkest eighth of the scale, luma below 32.
        bright: Pixels in the brightest eighth, luma 224 and above.
        clipped: Pixels at the very ends, luma 0, 1, 254 or 255: detail there is lost.
        mean: Mean luma divided by 255, 0 black to 1 white.
        black_point: Level that one pixel in 200 does not exceed, divided by 255: high where all is washed out.
        white_point: Level that all but one pixel in 200 do not exceed, divided by 255: low where even the lights are
            dark.
    """

    dark: float
    bright: float
    clipped: float
    mean: float
    black_point: float
    white_point: float


def exposure(luma: npt.NDArray[np.uint8], histogram: npt.NDArray[np.int64] | None = None) -> Exposure:
    """Measure dark, bright and clipped shares, mean brightness, black and white point.

    Args:
        luma: `(H, W)` uint8, not empty.
        histogram: Of that luma, where it is there already.

    Returns:
        The six figures.
    """
    counts = count(luma) if histogram is None else histogram
    pixels = float(counts.sum())
    black, white = points(counts)
    return Exposure(
        dark=float(counts[:_DARK_BELOW].sum()) / pixels,
        bright=float(counts[_BRIGHT_FROM:].sum()) / pixels,
        clipped=float(counts[:_CLIPPED].sum() + counts[-_CLIPPED:].sum()) / pixels,
        mean=float(counts @ np.arange(256)) / pixels / 255.0,
        black_point=black / 255.0,
        white_point=white / 255.0,
    )


def points(histogram: npt.NDArray[np.int64]) -> tuple[int, int]:
    """Black and white point, in levels.

    Args:
        histogram: `(256,)` pixels of each brightness, not all 0.
    """
    scaled = np.cumsum(histogram) * _ASIDE
    black, white = np.searchsorted(scaled, [scaled[-1] // _ASIDE, scaled[-1] // _ASIDE * (_ASIDE - 1)])
    return int(black), int(white)

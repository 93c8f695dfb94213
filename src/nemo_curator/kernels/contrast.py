"""How far the brightness of a picture spreads.

Source: root-mean-square contrast after E. Peli, "Contrast in complex images", JOSA A 7(10), 1990; the range between
black and white point.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from nemo_curator.kernels.exposure import points
from nemo_curator.kernels.luma import histogram as count


def contrast(luma: npt.NDArray[np.uint8], histogram: npt.NDArray[np.int64] | None = None) -> float:
    """Root-mean-square contrast: the standard deviation of brightness.

    Args:
        luma: `(H, W)` uint8, not empty.
        histogram: Of that luma, where it is there already.

    Returns:
        0.0 (uniform) to 1.0 (half black, half white), in units of 127.5 levels; photographs have 0.2 to 0.6.
    """
    counts = count(luma) if histogram is None else histogram
    levels = np.arange(256)
    pixels, total, squares = int(counts.sum()), int(counts @ levels), int(counts @ levels**2)
    return math.sqrt(pixels * squares - total * total) / pixels / 127.5  # whole numbers: never below zero


def dynamic_range(luma: npt.NDArray[np.uint8], histogram: npt.NDArray[np.int64] | None = None) -> float:
    """The part of the scale that a picture uses, but for one pixel in 200 at either end.

    Args:
        luma: `(H, W)` uint8, not empty.
        histogram: Of that luma, where it is there already.

    Returns:
        White point minus black point divided by 255, 0.0 (uniform) to 1.0 (black and white); see `exposure`.
    """
    black, white = points(count(luma) if histogram is None else histogram)
    return (white - black) / 255.0

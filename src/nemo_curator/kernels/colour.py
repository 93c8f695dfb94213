"""How colourful a picture is, and whether it is grey.

Source: D. Hasler and S. Suesstrunk, "Measuring colourfulness in natural images", SPIE 5007, 2003, the metric M3.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt


def colourfulness(rgb: npt.NDArray[np.uint8]) -> float:
    """Hasler and Suesstrunk's M3.

    Args:
        rgb: `(H, W, 3)` uint8 RGB, not empty.

    Returns:
        0.0 (grey) upwards; 15 is slightly, 45 quite, 82 highly and 109 extremely colourful to their observers.
    """
    red, green, blue = (rgb[..., channel].astype(np.int16) for channel in range(3))
    n = red.size
    mean_rg, variance_rg = _moments(red - green)
    mean_yb, variance_yb = _moments(red + green - 2 * blue)  # twice the yellow minus blue of the paper
    return math.sqrt(variance_rg / n**2 + variance_yb / (2 * n) ** 2) + 0.3 * math.hypot(mean_rg / n, mean_yb / (2 * n))


def _moments(values: npt.NDArray[np.int16]) -> tuple[int, int]:
    """Sum, and n squared times the variance, in whole numbers: never below zero, the same on every machine."""
    total = int(values.sum(dtype=np.int32))
    wide = values.astype(np.float32)
    wide *= wide  # below 2**24, so exact
    return total, values.size * int(wide.sum(dtype=np.float64)) - total * total


def is_grey(rgb: npt.NDArray[np.uint8], tolerance: int = 6) -> bool:
    """Whether a picture has no colour to speak of.

    Args:
        rgb: `(H, W, 3)` uint8 RGB.
        tolerance: Largest difference between two channels of one pixel that is still grey, in levels; what JPEG's
            rounding of chroma leaves in a grey picture stays below 6.

    Returns:
        True if every pixel is grey within the tolerance.
    """
    values = rgb.astype(np.int16)
    red, green, blue = values[..., 0], values[..., 1], values[..., 2]
    return all(int(np.abs(a - b).max(initial=0)) <= tolerance for a, b in ((red, green), (green, blue), (red, blue)))

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
    flat = rgb.reshape(-1, 3).astype(np.float64)
    n = len(flat)
    # sums of whole numbers below 2**53: exact, and the same on every machine
    r, g, b = (int(total) for total in flat.sum(axis=0))
    gram = flat.T @ flat
    rr, gg, bb, rg, rb, gb = (int(gram[i, j]) for i, j in ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2)))
    # red minus green, and twice yellow minus blue: R + G - 2 B
    mean_rg, mean_yb = (r - g) / n, (r + g - 2 * b) / n / 2
    squares_rg = rr + gg - 2 * rg
    squares_yb = rr + gg + 4 * bb + 2 * rg - 4 * rb - 4 * gb
    variance_rg = (n * squares_rg - (r - g) ** 2) / n**2
    variance_yb = (n * squares_yb - (r + g - 2 * b) ** 2) / n**2 / 4
    return math.sqrt(variance_rg + variance_yb) + 0.3 * math.hypot(mean_rg, mean_yb)


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

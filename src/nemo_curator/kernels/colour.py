"""How colourful a picture is, and whether it is grey.

Source: D. Hasler and S. Suesstrunk, "Measuring colourfulness in natural images", SPIE 5007, 2003, the metric M3.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

_TOLERANCE = 6  # levels between two channels: what JPEG's rounding of chroma leaves in a grey picture stays below
_EVERY = 8  # rows


class Colour(NamedTuple):
    """What there is of colour.

    Attributes:
        colourfulness: Hasler and Suesstrunk's M3: 0.0 (grey) upwards; 15 is slightly, 45 averagely, 82 highly and 109
            extremely colourful to their observers.
        grey: Whether no two channels of any pixel differ by more than 6 levels.
    """

    colourfulness: float
    grey: bool


def colour(rgb: npt.NDArray[np.uint8]) -> Colour:
    """Measure colourfulness, and see whether a picture has no colour to speak of.

    Args:
        rgb: `(H, W, 3)` uint8 RGB, not empty.

    Returns:
        Both.
    """
    red_green, green_blue = _differences(rgb[::_EVERY])  # enough for means
    grey = _is_grey(red_green, green_blue) and _is_grey(*_differences(rgb))
    n = red_green.size
    mean_rg, variance_rg = _moments(red_green)
    mean_yb, variance_yb = _moments(red_green + 2 * green_blue)  # red + green - 2 blue: twice the paper's
    spread = math.sqrt(variance_rg / n**2 + variance_yb / (2 * n) ** 2)
    return Colour(spread + 0.3 * math.hypot(mean_rg / n, mean_yb / (2 * n)), grey)


def _differences(rgb: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.int16]]:
    """Red minus green, and green minus blue."""
    red, green, blue = (rgb[..., channel].astype(np.int16) for channel in range(3))
    red -= green
    green -= blue
    return red, green


def _is_grey(red_green: npt.NDArray[np.int16], green_blue: npt.NDArray[np.int16]) -> bool:
    return max(_most(red_green), _most(green_blue)) <= _TOLERANCE and _most(red_green + green_blue) <= _TOLERANCE


def _most(values: npt.NDArray[np.int16]) -> int:
    """The largest magnitude."""
    return max(int(values.max()), -int(values.min()))


def _moments(values: npt.NDArray[np.int16]) -> tuple[int, int]:
    """Sum, and n squared times the variance, in whole numbers: never below zero, the same on every machine."""
    wide = values.astype(np.float64)  # whole numbers below 2**53, in sums too
    total = int(wide.sum())
    # by rows, which are too short for the linear algebra library to start threads for
    return total, values.size * int(np.vecdot(wide, wide).sum()) - total * total

"""Steps on a grid of 8 x 8 pixels, which a low JPEG quality leaves in the pixels whatever they were saved as later.

Source: our own. Steps between neighbouring pixels are compared with the steps before and after them, as in
Z. Wang, H. R. Sheikh, A. C. Bovik, "No-reference perceptual quality assessment of JPEG compressed images",
ICIP 2002; but the place of the grid is looked for, since cropping moves it, and medians stand for means, since a
straight line in the picture is no grid.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

_GRID = 8
_LEAST = 5 * _GRID  # pixels: fewer than four lines of a grid are no evidence of one

Grey = npt.NDArray[np.uint8]
Means = npt.NDArray[Any]


def blockiness(luma: npt.NDArray[np.uint8]) -> float:
    """How much higher the steps at the lines of an 8 x 8 grid are than those beside them.

    Along each axis: the excess of a step is its height minus the mean height of the step before and the one after it;
    it is averaged over each line between two columns (rows); the lines of each of the 8 places that a grid can have
    are one group, represented by its median. The axis's figure is what the highest group has more than the
    second highest: texture raises all groups, and pixels that were doubled or quadrupled raise several.

    Args:
        luma: `(H, W)` uint8, of pixels that were not resized.

    Returns:
        Levels, 0.0 to 255.0, the mean of both axes; an axis of less than 40 pixels is left out, and 0.0 is returned
        where both are.
    """
    axes = ((_rows, luma.shape[0]), (_columns, luma.shape[1]))
    found = [_off_the_others(steps(luma)) for steps, length in axes if length >= _LEAST]
    return sum(found) / len(found) if found else 0.0


def _rows(luma: Grey) -> Means:
    """Mean step between each row and the next."""
    steps = _steps(luma[1:], luma[:-1]).astype(np.float32)
    # whole numbers below 2**24 in rows that fit in a view, so exact in any order
    sums: Means = np.vecdot(steps, np.ones(luma.shape[1], np.float32))
    return sums / np.float64(luma.shape[1])


def _columns(luma: Grey) -> Means:
    """Mean step between each column and the next."""
    rows = luma[::2].copy()  # enough for a mean; along whole memory NumPy is several times quicker than along rows
    flat = rows.ravel()
    steps = np.zeros_like(rows)
    steps.ravel()[:-1] = _steps(flat[1:], flat[:-1])  # the last of each row leads to the next one
    sums: Means = steps.sum(axis=0, dtype=np.uint32)[:-1]
    return sums / np.float64(len(rows))


def _steps(one: Grey, other: Grey) -> Grey:
    return np.maximum(one, other) - np.minimum(one, other)


def _off_the_others(steps: Means) -> float:
    """What the highest of the eight groups has more than the second."""
    lines = steps[1:-1] - (steps[:-2] + steps[2:]) / 2  # the mean of the excesses is the excess of the means
    whole = np.full((-(-lines.size // _GRID), _GRID), np.inf)
    whole.ravel()[: lines.size] = lines
    whole.sort(axis=0)  # the infinities at the end of each group, where they are not counted
    counts = (lines.size - 1 - np.arange(_GRID)) // _GRID + 1
    groups = (whole[(counts - 1) // 2, np.arange(_GRID)] + whole[counts // 2, np.arange(_GRID)]) / 2  # the medians
    groups.sort()
    return float(groups[-1] - groups[-2])

"""How much the pixels flicker by themselves.

Source: J. Immerkaer, "Fast Noise Variance Estimation", Computer Vision and Image Understanding 64(2), 1996: the
difference of two Laplacians, blind to slopes and straight edges. The median of its magnitude stands for the mean, so
that the edges that it does see do not count.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nemo_curator.kernels.strips import Strips, strips

_GAIN = 6.0  # standard deviation of the mask's answer to noise of standard deviation 1
_MEDIAN = 0.6745  # median of the magnitude of a standard normal variable


def noise(luma: npt.NDArray[np.uint8]) -> float:
    """Estimate the standard deviation of the noise.

    Args:
        luma: `(H, W)` uint8.

    Returns:
        Levels, 0 or more; a clean photograph has up to about 5, visible grain 5 and more. Fine texture over most of
        the picture counts as noise. 0.0 for pictures of less than 3 pixels on a side.
    """
    return noise_in(strips(luma))


def noise_in(rows: Strips) -> float:
    """The same, of strips that are there already."""
    if min(rows.shape[1:]) < 3:
        return 0.0
    across = rows[:, 0] + rows[:, 2]
    across -= 2 * rows[:, 1]
    answer = across[:, :-2] + across[:, 2:]
    answer -= 2 * across[:, 1:-1]
    return _median(np.abs(answer)) / _MEDIAN / _GAIN


def _median(values: npt.NDArray[np.int16]) -> float:
    """The median of small whole numbers, taken inside its bin as if the values were spread evenly over it."""
    counts = np.bincount(values.ravel())
    below = np.cumsum(counts)
    half = values.size / 2
    level = int(np.searchsorted(below, half))
    if not level:
        return 0.0
    into = (half - (below[level] - counts[level])) / counts[level]
    # bin 0 holds magnitudes from 0 to 0.5, bin k those from k - 0.5 to k + 0.5
    return max(0.0, level - 0.5 + float(into))

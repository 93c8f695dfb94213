"""How much of its fine structure a picture loses when it is blurred once more.

A blurred picture loses little, a sharp one much (F. Crete et al., "The blur effect: perception and estimation with a
new no-reference perceptual blur metric", SPIE 6492, 2007). That ratio does not depend on contrast or subject as the
variance of the Laplacian does, but noise looks sharp to both. Here the losses are energies of gradients, and the
energy that noise contributes, known from the noise's estimate and the filters, is taken away first.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from nemo_curator.kernels.noise import noise

# energy of the gradient (both directions) that white noise of variance 1 has, before and after the blur:
# 2 * sum(d**2) * sum(h**2) with h = [1 2 1] / 4 across the gradient and d = [1 1 -1 -1] / 4 along it
_NOISE_BEFORE = 4.0
_NOISE_AFTER = 2 * (4 / 16) * (6 / 16)
# squared levels that no eye sees: below it a picture has no structure whose sharpness could be told
_FLOOR = 0.25
_BLUR_SCALE = 16.0  # the blur is left unscaled, so that all numbers are whole and all sums exact


def sharpness(luma: npt.NDArray[np.uint8], noise_level: float | None = None) -> float:
    """How sharp a picture is at the size given.

    Args:
        luma: `(H, W)` uint8. Scores of pictures of different sizes compare where it is a view of one fixed size
            (256 pixels on the longer side); of a part of the picture as it is, it tells how sharp its own pixels are.
        noise_level: What `noise` says of that luma, where it is known already.

    Returns:
        0 (uniform, or blurred beyond use) to 1 (every structure as fine as the pixels); photographs have 0.3
        to 0.55, and below 0.2 blur is plain to see. 0.0 for pictures of less than 4 pixels on a side.
    """
    if min(luma.shape) < 4:
        return 0.0
    grey = luma.astype(np.int16)
    variance = (noise(luma) if noise_level is None else noise_level) ** 2
    before = max(_energy(grey[1:-1], 1, 1) - variance * _NOISE_BEFORE, 0.0) + _FLOOR
    after = max(_energy(_blur(grey), 0, 2) / _BLUR_SCALE**2 - variance * _NOISE_AFTER, 0.0) + _FLOOR
    return 1.0 - math.sqrt(min(1.0, after / before))


def _blur(grey: npt.NDArray[np.int16]) -> npt.NDArray[np.int16]:
    """Binomial 3 x 3 times 16, without the first and last row, its columns moved left by one.

    NumPy is several times quicker along the whole memory than along rows, so the last two columns are made from what
    stands at the beginning of the next row, and are not to be looked at.
    """
    rows = 2 * grey[1:-1]
    rows += grey[:-2]
    rows += grey[2:]
    flat = rows.ravel()
    both = 2 * rows
    inner = both.ravel()
    inner[:-2] = inner[1:-1]
    inner[:-2] += flat[:-2]
    inner[:-2] += flat[2:]
    return both


def _energy(grey: npt.NDArray[np.int16], left: int, right: int) -> float:
    """Mean squared gradient, without that many pixels left and right.

    Of every second row, and every second step down, which is enough for a mean and half the work.
    """
    across = grey[::2].copy()
    flat = across.ravel()
    flat[:-1] -= flat[1:]  # the last of each row leads to the next one
    down = grey[1::2] - grey[:-1:2]
    width = grey.shape[1]
    return _mean_square(across[:, left : width - right - 1]) + _mean_square(down[:, left : width - right])


def _mean_square(steps: npt.NDArray[np.int16]) -> float:
    """Whole numbers below 2**53 throughout, hence the same on every machine, whatever order a dot product adds in."""
    wide = steps.astype(np.float64)
    # by rows, which are too short for the linear algebra library to start threads for
    return float(np.vecdot(wide, wide).sum()) / wide.size

"""How much of its fine structure a picture loses when it is blurred once more.

A blurred picture loses little, a sharp one much (F. Crete et al., "The blur effect: perception and estimation with a
new no-reference perceptual blur metric", SPIE 6492, 2007). That ratio does not depend on contrast or subject as the
variance of the Laplacian does, but noise looks sharp to both. Here the losses are energies of gradients, and the
energy that noise contributes, known from the noise's estimate and the filters, is taken away first. Of every eight
rows, four are read, which give two blurred ones and the step between them: enough for a mean.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from nemo_curator.kernels.noise import noise_in
from nemo_curator.kernels.strips import EVERY, Strips, strips

# energy of the gradient (both directions) that white noise of variance 1 has, before and after the blur:
# 2 * sum(d**2) * sum(h**2) with h = [1 2 1] / 4 across the gradient and d = [1 1 -1 -1] / 4 along it
_NOISE_BEFORE = 4.0
_NOISE_AFTER = 2 * (4 / 16) * (6 / 16)
# squared levels that no eye sees: below it a picture has no structure whose sharpness could be told
_FLOOR = 0.25
_BLUR_SCALE = 16.0  # the blur is left unscaled, so that all numbers are whole and all sums exact


def sharpness(luma: npt.NDArray[np.uint8]) -> float:
    """How sharp a picture is at the size given.

    Args:
        luma: `(H, W)` uint8. Scores of pictures of different sizes compare where it is a view of one fixed size
            (256 pixels on the longer side); of a part of the picture as it is, it tells how sharp its own pixels are.

    Returns:
        0 (uniform, or blurred beyond use) to 1 (every structure as fine as the pixels); photographs have 0.3
        to 0.55, and below 0.2 blur is plain to see. 0.0 for pictures of less than 4 pixels on a side.
    """
    return sharpness_and_noise(luma)[0]


def sharpness_and_noise(luma: npt.NDArray[np.uint8], every: int = EVERY) -> tuple[float, float]:
    """Sharpness, and the noise that was taken away for it, in levels.

    Args:
        luma: As for `sharpness`.
        every: Four of so many rows are read.

    Returns:
        What `sharpness` and `noise` say.
    """
    rows = strips(luma, every)
    level = noise_in(rows)
    if min(rows.shape[1:]) < 4:
        return 0.0, level
    before = max(_energy(rows[:, 1:3, 1:-1]) - level**2 * _NOISE_BEFORE, 0.0) + _FLOOR
    after = max(_energy(_blur(rows)) / _BLUR_SCALE**2 - level**2 * _NOISE_AFTER, 0.0) + _FLOOR
    return 1.0 - math.sqrt(min(1.0, after / before)), level


def _blur(rows: Strips) -> Strips:
    """Binomial 3 x 3 times 16 of the two middle rows, without the first and the last pixel."""
    down = 2 * rows[:, 1:3]
    down += rows[:, :2]
    down += rows[:, 2:]
    both = 2 * down[..., 1:-1]
    both += down[..., :-2]
    both += down[..., 2:]
    return both


def _energy(pairs: Strips) -> float:
    """Mean squared gradient, of pairs of rows."""
    return _mean_square(pairs[..., 1:] - pairs[..., :-1]) + _mean_square(pairs[:, 1] - pairs[:, 0])


def _mean_square(steps: npt.NDArray[np.int16]) -> float:
    """Whole numbers below 2**53 throughout, hence the same on every machine, whatever order a dot product adds in."""
    wide = steps.astype(np.float64)
    # by rows, which are too short for the linear algebra library to start threads for
    return float(np.vecdot(wide, wide).sum()) / wide.size

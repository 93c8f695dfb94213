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
# 2 * sum(d**2) * sum(h**2) with h = [1 2 1]/4 convolved with itself, d = h convolved with [1 -1]
_NOISE_BEFORE = 4.0
_NOISE_AFTER = 2 * (14 / 256 * 2) * (70 / 256)
# squared levels that no eye sees: below it a picture has no structure whose sharpness could be told
_FLOOR = 0.25
_BLUR_SCALE = 256.0  # the blur is left unscaled, so that all numbers are whole and all sums exact


def sharpness(luma: npt.NDArray[np.uint8]) -> float:
    """How sharp a picture is at the size given.

    Args:
        luma: `(H, W)` uint8, of a view of one fixed size (256 pixels on the longer side), so that scores of pictures
            of different sizes compare.

    Returns:
        0 (uniform, or blurred beyond use) to 1 (every structure as fine as the pixels); photographs have 0.4
        to 0.7, and below 0.3 blur is plain to see. 0.0 for pictures of less than 6 pixels on a side.
    """
    if min(luma.shape) < 6:
        return 0.0
    grey = luma.astype(np.float32)
    blurred = _blur(_blur(grey))
    variance = noise(luma) ** 2
    before = max(_energy(grey[2:-2, 2:-2]) - variance * _NOISE_BEFORE, 0.0) + _FLOOR
    after = max(_energy(blurred) / _BLUR_SCALE**2 - variance * _NOISE_AFTER, 0.0) + _FLOOR
    return 1.0 - math.sqrt(min(1.0, after / before))


def _blur(grey: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Binomial 3 x 3 times 16, without the border."""
    rows = grey[1:-1] * np.float32(2)
    rows += grey[:-2]
    rows += grey[2:]
    both = rows[:, 1:-1] * np.float32(2)
    both += rows[:, :-2]
    both += rows[:, 2:]
    return both


def _energy(grey: npt.NDArray[np.float32]) -> float:
    """Mean squared gradient. Whole numbers below 2**53, so any order of summing gives the same."""
    total = 0.0
    for step in (grey[:, 1:] - grey[:, :-1], grey[1:] - grey[:-1]):
        flat = step.astype(np.float64).ravel()
        total += float(flat @ flat) / flat.size
    return total

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
        luma: `(H, W)` uint8, of a view of one fixed size (256 pixels on the longer side), so that scores of pictures
            of different sizes compare.
        noise_level: What `noise` says of that luma, where it is known already.

    Returns:
        0 (uniform, or blurred beyond use) to 1 (every structure as fine as the pixels); photographs have 0.3
        to 0.55, and below 0.2 blur is plain to see. 0.0 for pictures of less than 4 pixels on a side.
    """
    if min(luma.shape) < 4:
        return 0.0
    grey = luma.astype(np.float32)
    variance = (noise(luma) if noise_level is None else noise_level) ** 2
    before = max(_energy(grey[1:-1, 1:-1]) - variance * _NOISE_BEFORE, 0.0) + _FLOOR
    after = max(_energy(_blur(grey)) / _BLUR_SCALE**2 - variance * _NOISE_AFTER, 0.0) + _FLOOR
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
    """Mean squared gradient; squares below 2**24 and sums below 2**53 are exact, so the same on every machine."""
    steps = (grey[:, 1:] - grey[:, :-1], grey[1:] - grey[:-1])
    return sum(float(np.square(step).sum(dtype=np.float64)) / step.size for step in steps)

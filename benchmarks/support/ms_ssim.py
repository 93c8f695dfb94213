"""How like its original a damaged picture looks: a judge that sees both, for filters that see one.

Source: Z. Wang, E. P. Simoncelli, A. C. Bovik, "Multi-scale structural similarity for image quality assessment",
Asilomar Conference on Signals, Systems and Computers, 2003, with its weights and constants, on the brightness.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
_SIGMA = 1.5
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2


def ms_ssim(original: npt.NDArray[np.uint8], damaged: npt.NDArray[np.uint8]) -> float:
    """1 for equal pictures, 0 for unlike ones.

    Args:
        original: `(H, W, 3)` uint8 RGB, at least 176 pixels a side.
        damaged: Of the same size.
    """
    first, second = (_luma(one) for one in (original, damaged))
    product = 1.0
    for scale, weight in enumerate(_WEIGHTS):
        mean, other = _blur(first), _blur(second)
        variances = _blur(first * first) - mean * mean + _blur(second * second) - other * other
        structure = (2 * (_blur(first * second) - mean * other) + _C2) / (variances + _C2)
        if scale == len(_WEIGHTS) - 1:
            structure *= (2 * mean * other + _C1) / (mean * mean + other * other + _C1)
        product *= max(float(structure.mean()), 0.0) ** weight
        first, second = _halved(first), _halved(second)
    return product


def _luma(rgb: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    return rgb.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)


def _blur(values: npt.NDArray[np.float32]) -> Any:
    from scipy.ndimage import gaussian_filter

    return gaussian_filter(values, _SIGMA, radius=5)  # a window of 11 x 11


def _halved(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    height, width = values.shape[0] // 2, values.shape[1] // 2
    return values[: 2 * height, : 2 * width].reshape(height, 2, width, 2).mean(axis=(1, 3))

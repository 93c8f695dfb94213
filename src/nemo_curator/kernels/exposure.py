"""How a picture uses the range from black to white.

Source: shares of the histogram of BT.601 luma; the zones are those of photo editors' clipping warnings (the last
levels) and of the outer eighths of the scale.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from nemo_curator.kernels.luma import histogram as count

_DARK_BELOW = 32
_BRIGHT_FROM = 224
_CLIPPED = 2  # levels at either end: black and white survive a JPEG within one level


class Exposure(NamedTuple):
    """Shares of all pixels, 0 to 1, and the mean.

    Attributes:
        dark: Pixels in the darkest eighth of the scale, luma below 32.
        bright: Pixels in the brightest eighth, luma 224 and above.
        clipped: Pixels at the very ends, luma 0, 1, 254 or 255: detail there is lost.
        mean: Mean luma divided by 255, 0 black to 1 white.
    """

    dark: float
    bright: float
    clipped: float
    mean: float


def exposure(luma: npt.NDArray[np.uint8], histogram: npt.NDArray[np.int64] | None = None) -> Exposure:
    """Measure dark, bright and clipped shares, and mean brightness.

    Args:
        luma: `(H, W)` uint8, not empty.
        histogram: Of that luma, where it is there already.

    Returns:
        The four figures.
    """
    counts = count(luma) if histogram is None else histogram
    pixels = float(counts.sum())
    return Exposure(
        dark=float(counts[:_DARK_BELOW].sum()) / pixels,
        bright=float(counts[_BRIGHT_FROM:].sum()) / pixels,
        clipped=float(counts[:_CLIPPED].sum() + counts[-_CLIPPED:].sum()) / pixels,
        mean=float(counts @ np.arange(256)) / pixels / 255.0,
    )

"""Turning stored pixels the way a viewer shows them.

Source: CIPA DC-008 (Exif 2.32), section 4.6.4, tag 0x0112.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nemo_curator.codecs.picture import Pixels

# each takes (H, W, C) to a view of it, upright
_TURNS: dict[int, Callable[[Pixels], Pixels]] = {
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: a[::-1].swapaxes(0, 1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: a[:, ::-1].swapaxes(0, 1),
}


def upright(pixels: Pixels, orientation: int) -> Pixels:
    """Apply an EXIF orientation.

    Args:
        pixels: `(H, W, C)` uint8 as stored.
        orientation: 1 to 8; anything else counts as 1.

    Returns:
        `(H, W, C)`, or `(W, H, C)` for 5 to 8, C-contiguous; the argument itself where nothing turns.
    """
    turn = _TURNS.get(orientation)
    if turn is None:
        return pixels
    turned = turn(pixels)
    out = np.empty(turned.shape, np.uint8)
    for channel in range(turned.shape[2]):  # NumPy copies long strided rows four times faster than runs of three bytes
        out[..., channel] = turned[..., channel]
    return out

"""Strips of a picture: of every eight rows four, which is enough for a mean or a median, and half the work or less."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_EVERY = 8
_ROWS = 4

Strips = npt.NDArray[np.int16]


def strips(luma: npt.NDArray[np.uint8]) -> Strips:
    """Rows 0 to 3, 8 to 11, 16 to 19, … of every eight rows that are whole.

    Args:
        luma: `(H, W)` uint8, not empty.

    Returns:
        `(N, 4, W)` int16, at least one strip; of a picture of less than eight rows its first four, or all that it has.
    """
    whole = len(luma) // _EVERY
    eights = luma[: whole * _EVERY].reshape(whole, _EVERY, -1) if whole else luma[None]
    return eights[:, :_ROWS].astype(np.int16)

"""Strips of a picture: of every sixteen rows four, which is enough for a mean or a median."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_EVERY = 16
_ROWS = 4

Strips = npt.NDArray[np.int16]


def strips(luma: npt.NDArray[np.uint8]) -> Strips:
    """The first four of every sixteen rows, as far as sixteen are there.

    Args:
        luma: `(H, W)` uint8, not empty.

    Returns:
        `(N, 4, W)` int16, at least one strip; of a picture of less than sixteen rows its first four, or all that it has.
    """
    whole = len(luma) // _EVERY
    bands = luma[: whole * _EVERY].reshape(whole, _EVERY, -1) if whole else luma[None]
    return bands[:, :_ROWS].astype(np.int16)

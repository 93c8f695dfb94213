"""Strips of a picture: four rows of every eight or so, which is enough for a mean or a median."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

EVERY = 8
"""Rows from one strip to the next."""

_ROWS = 4

Strips = npt.NDArray[np.int16]


def strips(luma: npt.NDArray[np.uint8], every: int = EVERY) -> Strips:
    """The first four of every so many rows, as far as so many are there.

    Args:
        luma: `(H, W)` uint8, not empty.
        every: Rows from one strip to the next, at least 4.

    Returns:
        `(N, 4, W)` int16, at least one strip; of a picture of less than `every` rows its first four, or all it has.
    """
    whole = len(luma) // every
    bands = luma[: whole * every].reshape(whole, every, -1) if whole else luma[None]
    return bands[:, :_ROWS].astype(np.int16)

"""SHA-256 of a picture's pixels."""

from __future__ import annotations

import hashlib
import struct

import numpy as np
import numpy.typing as npt


def pixel_hash(rgb: npt.NDArray[np.uint8]) -> str:
    """The hash of height and width, eight bytes each with the lowest first, and the pixels row by row.

    Args:
        rgb: `(H, W, 3)` uint8 RGB; it is copied only where its rows do not lie one behind the other.

    Returns:
        64 hex digits. Pictures have the same ones if, and but for chance only if, all their pixels are the same.
    """
    found = hashlib.sha256(struct.pack("<QQ", *rgb.shape[:2]))
    found.update(np.ascontiguousarray(rgb).data)
    return found.hexdigest()

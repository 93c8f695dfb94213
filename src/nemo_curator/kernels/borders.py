"""The share of a picture that is a uniform frame: letterbox, pillarbox, a scanned page's margin.

Source: our own definition, in the docstring below; studio pictures on an even background are frames by it too.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_SPREAD = 8  # levels inside one line of a frame, per channel: JPEG ripples, not a sky
_DRIFT = 4  # levels between a line and the outermost one
_BLOCK = 8  # lines looked at together


def borders(rgb: npt.NDArray[np.uint8]) -> float:
    """The share of pixels in uniform lines at the four edges.

    From each edge inwards, a line (row or column) belongs to the frame as long as no channel spreads by more than 8
    levels along it, and its middle is within 4 levels of the outermost line's. Rows are peeled first, then
    columns of what is left.

    Args:
        rgb: `(H, W, 3)` uint8 RGB, not empty.

    Returns:
        0.0 (no frame) to 1.0 (nothing but frame: a uniform picture, or stripes of two colours).
    """
    inner = _peel(rgb)
    if inner is None:
        return 1.0
    inner = _peel(inner.swapaxes(0, 1))
    if inner is None:
        return 1.0
    return 1.0 - inner[..., 0].size / rgb[..., 0].size


def _peel(lines: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8] | None:
    """Without the uniform lines at both ends of axis 0; None where nothing else is there."""
    first, last = _uniform(lines), len(lines) - _uniform(lines[::-1])
    return lines[first:last] if first < last else None


def _uniform(lines: npt.NDArray[np.uint8]) -> int:
    """How many lines from the start belong to a frame."""
    outermost: npt.NDArray[np.int16] | None = None
    for start in range(0, len(lines), _BLOCK):
        block = lines[start : start + _BLOCK]
        planes = np.ascontiguousarray(block.transpose(0, 2, 1))  # NumPy is far quicker along the last axis
        low, high = planes.min(axis=2).astype(np.int16), planes.max(axis=2).astype(np.int16)
        middle = low + high  # twice the middle
        outermost = middle[0] if outermost is None else outermost
        frame = ((high - low <= _SPREAD) & (np.abs(middle - outermost) <= 2 * _DRIFT)).all(axis=1)
        if not frame.all():
            return start + int(np.argmin(frame))
    return len(lines)

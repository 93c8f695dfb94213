"""The share of a picture that is a uniform frame: letterbox, pillarbox, a scanned page's margin.

Source: our own definition, in the docstring below; studio pictures on an even background are frames by it too.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

_SPREAD = 8  # levels inside one line of a frame, per channel: JPEG ripples, not a sky
_DRIFT = 4  # levels between a line and the outermost one
_BLOCK = 16  # lines looked at together


class Borders(NamedTuple):
    """Shares of the picture, 0.0 (no frame) to 1.0 (nothing but frame).

    Attributes:
        share: Pixels in uniform lines at the four edges.
        rows: Rows in uniform bars above and below: letterbox.
        columns: Columns in uniform bars left and right of what the rows leave: pillarbox.
    """

    share: float
    rows: float
    columns: float


def borders(rgb: npt.NDArray[np.uint8]) -> Borders:
    """Measure the uniform lines at the four edges.

    From each edge inwards, a line (row or column) belongs to the frame as long as no channel spreads by more than 8
    levels along it, and its middle is within 4 levels of the outermost line's. Rows are peeled first, then
    columns of what is left.

    Args:
        rgb: `(H, W, 3)` uint8 RGB, not empty.

    Returns:
        The shares; all are 1.0 for a uniform picture, and for stripes of two colours.
    """
    rows = _inside(rgb)
    columns = _inside(rgb[rows].swapaxes(0, 1)) if rows else None
    if not rows or not columns:
        return Borders(1.0, 1.0, 1.0)
    height, width = rgb.shape[:2]
    down, across = rows.stop - rows.start, columns.stop - columns.start
    return Borders(1.0 - down * across / (height * width), 1.0 - down / height, 1.0 - across / width)


def _inside(lines: npt.NDArray[np.uint8]) -> slice | None:
    """What is left of axis 0 without the uniform lines at both ends; None where nothing is."""
    first, last = _uniform(lines), len(lines) - _uniform(lines[::-1])
    return slice(first, last) if first < last else None


def _uniform(lines: npt.NDArray[np.uint8]) -> int:
    """How many lines from the start belong to a frame."""
    # most pictures have no frame, which a few pixels of the first line tell
    probes = lines[0, :: lines.shape[1] // 8 + 1].tolist()
    if any(max(channel) - min(channel) > _SPREAD for channel in zip(*probes, strict=True)):
        return 0
    outermost: npt.NDArray[np.int16] | None = None
    start, block = 0, 1
    while start < len(lines):
        planes = np.ascontiguousarray(lines[start : start + block].transpose(0, 2, 1))  # quicker along the last axis
        low, high = planes.min(axis=2).astype(np.int16), planes.max(axis=2).astype(np.int16)
        middle = low + high  # twice the middle
        outermost = middle[0] if outermost is None else outermost
        frame = ((high - low <= _SPREAD) & (np.abs(middle - outermost) <= 2 * _DRIFT)).all(axis=1)
        if not frame.all():
            return start + int(np.argmin(frame))
        start, block = start + block, _BLOCK
    return len(lines)

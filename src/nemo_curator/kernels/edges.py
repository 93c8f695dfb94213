"""How much of a picture is edges.

Source: the gradient by central differences, thresholded; as the first step of every edge detector.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

EDGE = 48
"""Levels between the two neighbours of a pixel, across an edge: what an eye follows, above grain and JPEG ripples."""


def edge_density(luma: npt.NDArray[np.uint8]) -> float:
    """The share of pixels on an edge.

    A pixel is on an edge where the brightness of its neighbours left and right, and above and below, differs by `EDGE`
    levels or more (as the length of that gradient).

    Args:
        luma: `(H, W)` uint8, of a view of one fixed size, so that scores of pictures of different sizes compare.

    Returns:
        0.0 (even, or soft) to 1.0; 0.0 for pictures of less than 3 pixels on a side.
    """
    height, width = luma.shape
    if min(height, width) < 3:
        return 0.0
    # every fourth row is enough for a share
    above, middle, below = (luma[row : height - 2 + row : 4].astype(np.float32) for row in range(3))
    squares = np.square(middle[:, 2:] - middle[:, :-2])
    squares += np.square(below - above)[:, 1:-1]  # whole numbers below 2**24, so exact
    return float(np.count_nonzero(squares >= EDGE**2) / squares.size)

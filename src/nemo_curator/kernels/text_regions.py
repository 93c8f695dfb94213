"""Boxes of text lines from a map of probabilities.

The second half of a detector by Liao et al., "Real-time Scene Text Detection with Differentiable Binarization"
(AAAI 2020): such a network marks the core of each line, shrunk from its outline, and the box is grown back. The
numbers are those that the package rapidocr 3.10 uses with the same network; new here is that lines taller than
`TALLEST` are left out.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nemo_curator.kernels.components import Runs, components
from nemo_curator.kernels.rectangles import Rectangle, inside, smallest_rectangle, window

CORE = 0.3
"""A pixel whose probability is greater belongs to the core of a line."""
SURE = 0.5
"""Mean probability that the core of a box must have at least."""
GROWTH = 1.6
"""A core's area over its perimeter, times this, is how far its box is grown."""
TALLEST = 0.25
"""Height that a line may have at most, as a share of the square root of the picture's area.

Shown a photo without any text, these networks are sure of one line as large as the whole picture or half of it:
measured, on most photos of clothing. Such a line is nearly always an error; real overlays have lower lines.
"""
_LEAST_CORE = 3.0  # pixels, shorter side
_LEAST_BOX = 5.0  # pixels, shorter side
_MOST = 1000  # boxes


def text_regions(
    probability: npt.NDArray[np.float32], side: float
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """The boxes of text that a map of probabilities shows.

    Args:
        probability: `(H, W)`, 0 to 1: that a pixel is in the core of a line of text.
        side: Square root of the picture's area in pixels of the map, which may be that of a padded picture.

    Returns:
        `(N, 4, 2)` x, y of the corners in pixels of the map, whose first pixel has its centre at (0.5, 0.5); a box may
        reach over the edge. And `(N,)` mean probability of each core. In reading order of the cores' first pixels.
    """
    boxes: list[npt.NDArray[np.float64]] = []
    scores: list[float] = []
    for runs in components(_thickened(probability > CORE))[:_MOST]:
        core = smallest_rectangle(_outline(runs)).moved(0.5)
        if core.shorter < _LEAST_CORE:
            continue
        score = _mean(probability, core)
        box = core.grown(_growth(core))
        if score >= SURE and _LEAST_BOX <= box.shorter <= TALLEST * side:
            boxes.append(box.corners())
            scores.append(score)
    return np.array(boxes).reshape(-1, 4, 2), np.array(scores)


def _thickened(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Every pixel marks its neighbours to the right, below and between too, which closes gaps of one pixel."""
    thick = mask.copy()
    thick[:, 1:] |= mask[:, :-1]
    thick[1:] |= thick[:-1].copy()
    return thick


def _outline(runs: Runs) -> npt.NDArray[np.int64]:
    """The leftmost and rightmost pixel of each row, as `(N, 2)` x, y; nothing between them is on the hull."""
    rows, starts, ends = runs.T
    first = np.flatnonzero(np.diff(rows, prepend=-1))
    left, right = np.minimum.reduceat(starts, first), np.maximum.reduceat(ends, first)
    return np.stack([np.concatenate([left, right]), np.tile(rows[first], 2)], axis=1)


def _growth(core: Rectangle) -> float:
    a, b = 2 * core.half[0], 2 * core.half[1]
    return GROWTH * a * b / (2 * (a + b))


def _mean(probability: npt.NDArray[np.float32], core: Rectangle) -> float:
    corners = core.corners()
    rows, columns = window(corners, *probability.shape)
    part = probability[slice(*rows), slice(*columns)][inside(corners, rows, columns, slack=0.01)]
    return float(part.mean(dtype=np.float64)) if part.size else 0.0

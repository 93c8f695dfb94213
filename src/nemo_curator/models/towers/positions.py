"""Position embeddings that were learnt for one grid of patches, for another grid.

As PyTorch resamples (`interpolate`, bicubic, corners not aligned), because that is what models were published with: a
cubic with a = -0.75 over four neighbours, or, antialiased, one with a = -0.5 whose reach grows with the reduction
(Keys 1981).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nemo_curator.models.towers.ops import Floats


def resampled(positions: Floats, side: int, *, antialias: bool) -> Floats:
    """Positions `(G * G, W)` of a square grid, row by row, for one of `side` by `side`: `(side * side, W)`.

    Args:
        positions: Of the grid that they were learnt for.
        side: Number of patches along a side of the other grid.
        antialias: Whether all that a coarser grid covers takes part.
    """
    known, width = round(len(positions) ** 0.5), positions.shape[1]
    if known == side:
        return positions
    matrix = _antialiased(known, side) if antialias else _four(known, side)
    grid = positions.astype(np.float64).reshape(known, known, width)
    made: Floats = np.einsum("yi,xj,ijw->yxw", matrix, matrix, grid).reshape(side * side, width).astype(np.float32)
    return made


def _cubic(distance: npt.ArrayLike, a: float) -> npt.NDArray[np.float64]:
    """Keys' kernel at distances on either side."""
    x = np.abs(np.asarray(distance, np.float64))
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    return np.where(x <= 1, near, np.where(x < 2, far, 0))


def _four(known: int, side: int) -> npt.NDArray[np.float64]:
    """Matrix `(side, known)` whose rows weigh four neighbours; those beyond an edge are the one at the edge."""
    matrix = np.zeros((side, known))
    centres = (np.arange(side) + 0.5) * known / side - 0.5
    for row, centre in enumerate(centres):
        first = int(np.floor(centre)) - 1
        for place in range(first, first + 4):
            matrix[row, min(max(place, 0), known - 1)] += _cubic(centre - place, -0.75)
    return matrix


def _antialiased(known: int, side: int) -> npt.NDArray[np.float64]:
    """Matrix `(side, known)` whose rows weigh all that a place of the other grid covers, and add up to one."""
    scale = known / side
    stretch = max(scale, 1.0)
    matrix = np.zeros((side, known))
    for row in range(side):
        centre = scale * (row + 0.5)
        first = max(int(centre - 2 * stretch + 0.5), 0)
        places = np.arange(first, min(int(centre + 2 * stretch + 0.5), known))
        weights = _cubic((places - centre + 0.5) / stretch, -0.5)
        matrix[row, places] = weights / weights.sum()
    return matrix

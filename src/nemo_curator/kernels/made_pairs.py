"""Pairs of rows at a given distance, made of the rows that there are: for where these have too few such pairs.

A row is turned towards the nearest of some others. There the directions lie in which rows of this kind differ.
"""

from __future__ import annotations

import numpy as np

from nemo_curator.kernels.closest import Centroids, closest
from nemo_curator.kernels.directions import directions
from nemo_curator.kernels.rows import Float32, Rows

_PAIRS = 1000
_OTHERS = 4  # rows that one is turned towards the nearest of, as a multiple of the pairs
_SAME = 1e-3  # length of what tells two rows apart, below which there is no direction to turn to


def made_pairs(left: Rows, right: Rows, far: float, seed: int) -> tuple[Float32, Float32]:
    """Rows, and for each another one at a distance from it.

    Args:
        left: Rows that are turned.
        right: Rows that they are turned towards; may be the same.
        far: 1 - cosine of each pair.
        seed: Which rows are taken.

    Returns:
        Both `(P, D)`, of unit length; P is 0 where no rows differ.
    """
    random = np.random.default_rng([seed, 2])
    apart = _OTHERS + 1 if left is right else 1  # of one set the most stay for the others
    mine = random.permutation(len(left))[: max(1, min(_PAIRS, len(left) // apart))]
    theirs = random.permutation(len(right))
    if left is right:
        theirs = theirs[~np.isin(theirs, mine)]
    some = directions(left.take(np.sort(mine))).unit()
    others = directions(right.take(np.sort(theirs[: _OTHERS * len(mine)]))).unit()
    some, others = some[some.any(axis=1)], others[others.any(axis=1)]
    if not len(some) or not len(others):
        return some[:0], some[:0]
    beside = others[closest(some, Centroids.angular(others)).first].astype(np.float64)
    wide = some.astype(np.float64)
    # sums along rows, which do not depend on the other rows
    away = beside - (beside * wide).sum(axis=1)[:, None] * wide
    lengths = np.sqrt((away * away).sum(axis=1))
    good = lengths > _SAME
    cosine = 1.0 - far
    turned = cosine * wide[good] + np.sqrt(1.0 - cosine * cosine) * away[good] / lengths[good][:, None]
    return some[good], turned.astype(np.float32)

"""Cosines of pairs of rows of a matrix, whose last bits depend on the two rows alone."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nemo_curator.kernels.nearest import exact_cosines
from nemo_curator.kernels.rows import Rows

_AT_ONCE = 500_000  # numbers that are widened together

Ints = npt.NDArray[np.int64]


def pair_cosines(rows: Rows, left: Ints, right: Ints, others: Rows | None = None) -> npt.NDArray[np.float64]:
    """The cosine of each pair of rows, in double precision.

    Args:
        rows: N of them.
        left: `(K,)` rows.
        right: `(K,)` rows.
        others: M of them, where the rows of `right` are others.

    Returns:
        `(K,)`, from -1 to 1; NaN where a row has no direction. Which row of a pair is called left does not matter.
    """
    cosines = np.empty(len(left))
    step = max(1, _AT_ONCE // max(1, rows.dimension))
    beside = rows if others is None else others
    for start in range(0, len(left), step):
        some = slice(start, start + step)
        cosines[some] = exact_cosines(rows.take(left[some]), beside.take(right[some]))
    return cosines

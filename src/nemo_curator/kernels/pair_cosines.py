"""Cosines of pairs of rows of a matrix, whose last bits depend on the two rows alone."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nemo_curator.kernels.nearest import exact_cosines

_AT_ONCE = 500_000  # numbers that are widened together

Ints = npt.NDArray[np.int64]
Matrix = npt.NDArray[np.float16] | npt.NDArray[np.float32]


def pair_cosines(matrix: Matrix, left: Ints, right: Ints, others: Matrix | None = None) -> npt.NDArray[np.float64]:
    """The cosine of each pair of rows, in double precision.

    Args:
        matrix: `(N, D)`.
        left: `(K,)` rows.
        right: `(K,)` rows.
        others: `(M, D)`, where the rows of `right` are of another matrix.

    Returns:
        `(K,)`, from -1 to 1; NaN where a row has no direction. Which row of a pair is called left does not matter.
    """
    cosines = np.empty(len(left))
    step = max(1, _AT_ONCE // max(1, matrix.shape[1]))
    for start in range(0, len(left), step):
        some = slice(start, start + step)
        beside = matrix if others is None else others
        cosines[some] = exact_cosines(matrix[left[some]], beside[right[some]])
    return cosines

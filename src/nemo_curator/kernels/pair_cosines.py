"""Cosines of pairs of rows of a matrix, whose last bits depend on the two rows alone."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_AT_ONCE = 500_000  # numbers that are widened together

Ints = npt.NDArray[np.int64]


def pair_cosines(
    matrix: npt.NDArray[np.float16], left: Ints, right: Ints, others: npt.NDArray[np.float16] | None = None
) -> npt.NDArray[np.float64]:
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
        one = np.ascontiguousarray(matrix[left[some]], np.float64)
        other = np.ascontiguousarray((matrix if others is None else others)[right[some]], np.float64)
        # sums along rows, which NumPy takes one row at a time; a matrix product may group them as it likes
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            lengths = np.sqrt((one * one).sum(axis=1)) * np.sqrt((other * other).sum(axis=1))
            cosines[some] = (one * other).sum(axis=1) / lengths
    return np.clip(cosines, -1.0, 1.0)  # NaN stays

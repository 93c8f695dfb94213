"""The rows of a matrix that point most nearly in the direction of a query.

Every row is looked at in single precision, which is fast and tells all but a few apart; what may be among the best is
computed once more in double precision. So a row's cosine depends on the row and the query alone, to the last bit,
wherever the row stands: equal rows tie.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nemo_curator.kernels.half import widen

_AT_ONCE = 400_000  # numbers that are widened together: they stay in a core's cache


@dataclass(frozen=True, slots=True)
class Nearest:
    """Some rows and how near they are.

    Attributes:
        rows: int64 `(K,)`, ascending indices.
        cosines: float64 `(K,)`.
    """

    rows: npt.NDArray[np.int64]
    cosines: npt.NDArray[np.float64]


def nearest(
    matrix: npt.NDArray[np.float16],
    query: npt.NDArray[np.float32],
    count: int,
    least: float = -np.inf,
    allowed: npt.NDArray[np.bool_] | None = None,
) -> Nearest:
    """The rows with the largest cosines to a query.

    Args:
        matrix: `(N, D)`; a row without a direction (zeros, NaN, infinity) is never among them.
        query: `(D,)`, finite and not all zeros.
        count: How many are wanted, at least 1.
        least: Cosine below which nobody is interested.
        allowed: `(N,)`, which rows count; None for all.

    Returns:
        All rows that are among the `count` nearest, and all that tie with the last of these; a few more may be there.
    """
    step = max(1, _AT_ONCE // max(1, matrix.shape[1]))
    wide = np.empty((min(step, len(matrix)), matrix.shape[1]), np.float32)
    kept = Nearest(np.empty(0, np.int64), np.empty(0))
    for start in range(0, len(matrix), step):
        block = matrix[start : start + step]
        near = _roughly(widen(block, wide[: len(block)]), query) >= least - _margin(matrix.shape[1])
        if allowed is not None:
            near &= allowed[start : start + step]
        rows = np.flatnonzero(near)
        if not len(rows):
            continue
        cosines = exact_cosines(block[rows], query)
        kept = _joined(kept, Nearest(rows + start, cosines), least)
        if len(kept.rows) > 2 * count:
            least = max(least, float(np.partition(kept.cosines, -count)[-count]))
            kept = _joined(kept, Nearest(kept.rows[:0], kept.cosines[:0]), least)
    return kept


def exact_cosines(
    rows: npt.NDArray[np.float16] | npt.NDArray[np.float32],
    query: npt.NDArray[np.float16] | npt.NDArray[np.float32],
) -> npt.NDArray[np.float64]:
    """The cosine of each row to a query, or to one of its own, in double precision; NaN where one has no direction.

    Args:
        rows: `(K, D)`.
        query: `(D,)`, or `(K, D)` for one a row.

    Returns:
        `(K,)`; each depends on its row and its query alone, to the last bit, and not on which of the two is which.
    """
    wide, wanted = np.ascontiguousarray(rows, np.float64), query.astype(np.float64)
    # sums along rows, which NumPy takes one row at a time; a matrix product may group them as it likes
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        lengths = np.sqrt((wide * wide).sum(axis=1)) * np.sqrt((wanted * wanted).sum(axis=-1))
        cosines: npt.NDArray[np.float64] = (wide * wanted).sum(axis=1) / lengths
    return np.clip(cosines, -1.0, 1.0)  # NaN stays


def _roughly(wide: npt.NDArray[np.float32], query: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    # a row at a time, because a product of a matrix would start threads of its own inside each of ours
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        scaled = query / np.sqrt(np.float32(np.vecdot(query, query)))
        cosines: npt.NDArray[np.float32] = np.vecdot(wide, scaled) / np.sqrt(np.vecdot(wide, wide))
    return cosines


def _margin(dimension: int) -> float:
    """How far a rough cosine may be from the exact one: twice the bound of a sum of that many rounded products.

    Source: Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., 3.1: |error| ≤ n u / (1 - n u) times the
    lengths, once for the product and once for the lengths.
    """
    return 4.0 * (dimension + 4) * 2.0**-24


def _joined(one: Nearest, other: Nearest, least: float) -> Nearest:
    rows, cosines = np.concatenate([one.rows, other.rows]), np.concatenate([one.cosines, other.cosines])
    good = cosines >= least  # NaN is not
    return Nearest(rows[good], cosines[good])

"""The arithmetic of a linear head: one number for each embedding."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True, eq=False)
class Affine:
    """Product with a vector, plus a bias.

    Attributes:
        vector: `(dimension,)`, stored as float64 so that the sum does not add an error of its own.
        bias: One number.
    """

    vector: npt.NDArray[np.float64]
    bias: np.float64

    def __call__(self, rows: npt.NDArray[np.float32], /) -> npt.NDArray[np.float32]:
        """A number for each row of `(N, dimension)`, as `HeadFunction` says."""
        # no matrix product: BLAS rounds differently for different N
        return np.asarray(np.add.reduce(rows * self.vector, axis=1) + self.bias, np.float32)

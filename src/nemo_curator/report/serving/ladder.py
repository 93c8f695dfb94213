"""The values of one axis in order, so that any threshold is counted at once. Pure functions of arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from nemo_curator.report.spreads import Floats, Values
from nemo_curator.report.verdicts import Positions

_SMALL = 2**31


@dataclass(frozen=True, slots=True)
class Split:
    """How values lie to a threshold.

    Attributes:
        below: So many are smaller.
        upto: So many are not larger.
        kept_below: So many of kept images are smaller.
        kept_upto: So many of kept images are not larger.
    """

    below: int
    upto: int
    kept_below: int
    kept_upto: int


@dataclass(frozen=True, slots=True)
class Ladder:
    """Values ascending, NaN last, as DuckDB has them too.

    Attributes:
        values: `(V,)`.
        positions: `(V,)`, whose they are; of equal values in source order.
        kept: `(V + 1,)`, how many of the first so many values are of kept images.
        numbers: How many values are numbers and not NaN.
    """

    values: Floats
    positions: npt.NDArray[np.int32] | npt.NDArray[np.int64]
    kept: npt.NDArray[np.int64]
    numbers: int

    @classmethod
    def of(cls, values: Values) -> Self:
        """Sort the values of an axis."""
        order = np.lexsort((values.positions, values.numbers))
        numbers, positions = values.numbers[order], values.positions[order]
        kept = np.concatenate([[0], np.cumsum(values.kept[order], dtype=np.int64)])
        small = not len(positions) or int(positions.max()) < _SMALL
        known = len(numbers) - int(np.count_nonzero(np.isnan(numbers)))
        return cls(numbers, positions.astype(np.int32) if small else positions, kept, known)

    @property
    def size(self) -> int:
        """Bytes that it takes."""
        return int(self.values.nbytes + self.positions.nbytes + self.kept.nbytes)

    def split(self, threshold: float) -> Split:
        """Count on either side of a finite number."""
        below, upto = (int(np.searchsorted(self.values, threshold, side)) for side in ("left", "right"))
        return Split(below, upto, int(self.kept[below]), int(self.kept[upto]))

    def near(self, threshold: float, most: int) -> tuple[list[int], list[int]]:
        """Positions just below a finite number, and at it or just above, the nearest first, equals in source order."""
        split = int(np.searchsorted(self.values, threshold, "left"))
        below: list[int] = []
        end = split
        while end and len(below) < most:
            start = int(np.searchsorted(self.values, self.values[end - 1], "left"))
            below += self.positions[start : min(end, start + most - len(below))].tolist()
            end = start
        return below, self.positions[split : split + most].tolist()

    def ordered(self, *, descending: bool) -> Positions:
        """Positions of all that have a number, by it; equals stay in source order either way."""
        if not descending:
            return self.positions[: self.numbers].astype(np.int64)
        if not self.numbers:
            return np.empty(0, np.int64)
        known = self.values[: self.numbers]
        starts = np.flatnonzero(np.concatenate([[True], known[1:] != known[:-1]]))
        sizes = np.diff(np.append(starts, self.numbers))[::-1]
        begins = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        places = np.repeat(starts[::-1] - begins, sizes) + np.arange(self.numbers)
        return self.positions[places].astype(np.int64)

"""Rows of numbers that need not fit into memory: what k-means and the search for pairs read.

Rows come as single precision. Half precision widens to it exactly, so nothing that is computed of a row depends on how
it is stored; infinity comes as NaN, and neither has a direction.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from nemo_curator.kernels.half import widen

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]

_NOT_FINITE = np.float32(65_536)


class Rows(Protocol):
    """A matrix `(N, D)` that is read some rows at a time, by any number of threads at once."""

    @property
    def dimension(self) -> int:
        """Numbers in a row, D."""

    def __len__(self) -> int:
        """Number of rows, N."""

    def block(self, start: int, stop: int) -> Float32:
        """Rows `start` to `stop`, `(stop - start, D)`, C-contiguous."""

    def take(self, indices: npt.NDArray[np.integer[Any]]) -> Float32:
        """The rows of those numbers, `(K, D)`, C-contiguous, in the order asked for."""


class ArrayRows:
    """The rows of one array or of several, one below the other; mapped files are arrays too.

    Args:
        parts: `(N_i, D)` each, float16 or float32.

    Raises:
        ValueError: There is no part, or they differ in D.
    """

    def __init__(self, parts: Sequence[npt.NDArray[Any]]) -> None:
        widths = {part.shape[1] for part in parts}
        if len(widths) != 1:
            raise ValueError(f"the parts of a matrix have rows of one length, not {sorted(widths)}")
        self._parts = [np.asarray(part) for part in parts]  # plain arrays: a mapped one is slow to take from
        kinds = {part.dtype for part in self._parts}
        self._kind = kinds.pop() if len(kinds) == 1 else np.dtype(np.float32)
        self._starts = np.cumsum([0, *(len(part) for part in parts)])
        (self._dimension,) = widths

    @property
    def dimension(self) -> int:
        """Numbers in a row."""
        return int(self._dimension)

    def __len__(self) -> int:
        return int(self._starts[-1])

    def block(self, start: int, stop: int) -> Float32:
        """Rows `start` to `stop`."""
        out = np.empty((max(0, min(stop, len(self)) - start), self.dimension), np.float32)
        first = int(np.searchsorted(self._starts, start, "right")) - 1
        done = 0
        for number in range(first, len(self._parts)):
            if done == len(out):
                break
            at = start + done - int(self._starts[number])
            piece = self._parts[number][at : at + len(out) - done]
            _widened(piece, out[done : done + len(piece)])
            done += len(piece)
        return out

    def take(self, indices: npt.NDArray[np.integer[Any]]) -> Float32:
        """The rows of those numbers."""
        out = np.empty((len(indices), self.dimension), np.float32)
        if len(self._parts) == 1:
            return _widened(self._parts[0][indices], out)
        order = np.argsort(indices, kind="stable")  # those of one part after those of another
        ascending = indices[order]
        if len(ascending) and not 0 <= ascending[0] <= ascending[-1] < len(self):
            raise IndexError(f"rows {ascending[0]} to {ascending[-1]} of {len(self)}")
        bounds = np.searchsorted(ascending, self._starts)
        gathered = np.empty(out.shape, self._kind)  # as they are, so that they are widened together
        for number in np.flatnonzero(np.diff(bounds)).tolist():
            some = slice(bounds[number], bounds[number + 1])
            local = ascending[some] - self._starts[number]
            part = self._parts[number]
            if part.dtype == self._kind:
                np.take(part, local, axis=0, out=gathered[some], mode="clip")  # other modes copy once more
            else:
                _widened(part[local], gathered[some])
        if (order[1:] > order[:-1]).all():
            return _widened(gathered, out)
        out[order] = _widened(gathered, np.empty(out.shape, np.float32))
        return out


class PickedRows:
    """Some rows of others, in a given order.

    Args:
        rows: The others.
        picked: `(K,)`, their numbers.
    """

    def __init__(self, rows: Rows, picked: Int64) -> None:
        self._rows = rows
        self._picked = picked

    @property
    def dimension(self) -> int:
        """Numbers in a row."""
        return self._rows.dimension

    def __len__(self) -> int:
        return len(self._picked)

    def block(self, start: int, stop: int) -> Float32:
        """Rows `start` to `stop` of those picked."""
        return self._rows.take(self._picked[start:stop])

    def take(self, indices: npt.NDArray[np.integer[Any]]) -> Float32:
        """The rows of those numbers among those picked."""
        return self._rows.take(self._picked[indices])


def _widened(piece: npt.NDArray[Any], out: Float32) -> Float32:
    if piece.dtype == np.float16:
        widen(piece, out)
        # infinity and NaN come out as numbers that no other half-precision number becomes
        if out.size and (out.max() >= _NOT_FINITE or out.min() <= -_NOT_FINITE):
            out[np.abs(out) >= _NOT_FINITE] = np.nan
        return out
    np.copyto(out, piece)
    return out

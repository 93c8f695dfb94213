"""Rows as directions: at unit length, or only their first numbers and how long the rest is.

Two directions that are near have near beginnings too. By Cauchy and Schwarz the product of the rests is at most that of
their lengths, so the product of two heads is never less than the cosine: what it rules out is ruled out, for a quarter
of the work.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from nemo_curator.kernels.rows import Float32, Int64


class Directed(Protocol):
    """Rows as directions, wherever they are; `Directions` are some in memory."""

    def __len__(self) -> int:
        """How many, K."""

    @property
    def dimension(self) -> int:
        """Numbers in a row, D."""

    @property
    def at_hand(self) -> int:
        """Numbers of the heads that need not be computed; 0 where all must be."""

    def take(self, at: Int64) -> Float32:
        """`(len(at), D)`, those of these numbers, as they came."""

    def unit(self) -> Float32:
        """`(K, D)`, at unit length."""

    def heads(self, count: int) -> Float32:
        """`(K, count)`, the first numbers at unit length and the length of the rest."""

    def spread(self, number: int, *, between: bool = False) -> Directed:
        """About so many of them."""

    def of(self, which: Int64 | slice) -> Directed:
        """Some of all those that are there."""


@dataclass(frozen=True, slots=True)
class Directions:
    """Rows, and what brings each to unit length.

    Attributes:
        rows: `(N, D)`, as they came.
        scale: `(N,)`, one over the length; zero where there is no direction (zeros, NaN, infinity).
        which: The numbers of those that are meant.
        ready: `(N, count)`, the heads of all rows, where they have been computed.
    """

    rows: Float32
    scale: Float32
    which: Int64 | slice
    ready: Float32 | None = None

    def __len__(self) -> int:
        """How many are meant."""
        return len(self.scale[self.which])

    @property
    def dimension(self) -> int:
        """Numbers in a row, D."""
        return int(self.rows.shape[1])

    @property
    def at_hand(self) -> int:
        """Numbers of the heads that are ready; 0 where none are."""
        return 0 if self.ready is None else int(self.ready.shape[1])

    def of(self, which: Int64 | slice) -> Directions:
        """Some of all rows; they are gathered when they are asked for."""
        return replace(self, which=which)

    def with_heads(self, count: int) -> Directions:
        """The same, with heads of all rows computed once."""
        return replace(self, ready=replace(self, which=slice(None)).heads(count))

    def take(self, at: Int64) -> Float32:
        """`(K, D)`, those of the numbers `at` among the ones meant, as they came."""
        if isinstance(self.which, slice):
            return self.rows[self.which][at]
        return self.rows[self.which[at]]

    def unit(self) -> Float32:
        """`(K, D)`, at unit length up to rounding; zeros where there is no direction."""
        rows = self.rows[self.which]
        return self._scaled(rows, np.empty(rows.shape, np.float32))

    def heads(self, count: int) -> Float32:
        """`(K, count)`: all but the last are the first numbers at unit length, the last is the length of the rest.

        Args:
            count: 2 to D.
        """
        if self.ready is not None and self.ready.shape[1] == count:
            return self.ready[self.which]
        rows = self.rows[self.which]
        heads = np.empty((len(rows), count), np.float32)
        self._scaled(rows[:, : count - 1], heads[:, : count - 1])
        rest, scale = rows[:, count - 1 :], self.scale[self.which]
        with np.errstate(invalid="ignore", over="ignore"):
            lengths = np.sqrt(np.einsum("ij,ij->i", rest, rest, dtype=np.float64))
            np.multiply(lengths, scale, out=heads[:, count - 1], casting="same_kind")
        heads[scale == 0, count - 1] = 0.0
        return heads

    def spread(self, number: int, *, between: bool = False) -> Directions:
        """About so many of those meant, evenly spread; all if there are fewer.

        Args:
            number: How many.
            between: Take those that stand halfway between the ones that are taken else.
        """
        every = np.arange(len(self.rows))[self.which]
        return self.of(every[evenly(len(every), number, between=between)])

    def _scaled(self, rows: Float32, out: Float32) -> Float32:
        scale = self.scale[self.which]
        with np.errstate(invalid="ignore"):
            np.multiply(rows, scale[:, None], out=out)
        lost = scale == 0
        if lost.any():
            out[lost] = 0.0
        return out


def directions(rows: Float32) -> Directions:
    """The directions of some rows.

    Args:
        rows: `(N, D)`.
    """
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        lengths = np.sqrt(np.einsum("ij,ij->i", rows, rows, dtype=np.float64))
        scale = (1.0 / lengths).astype(np.float32)
    scale[~np.isfinite(scale)] = 0.0
    return Directions(rows, scale, slice(None))


def evenly(total: int, number: int, *, between: bool = False) -> slice:
    """About so many of all, evenly spread; all if there are fewer.

    Args:
        total: How many there are.
        number: How many to take.
        between: Take those that stand halfway between the ones that are taken else.
    """
    step = max(1, total // number)
    return slice(step // 2 if between else 0, None, step)

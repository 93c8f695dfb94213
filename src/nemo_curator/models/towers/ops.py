"""The verbs that a tower is written with.

A tower is a function from verbs to values. Each runtime brings the verbs: it writes a graph while the function runs
once, and `V` is whatever stands for a value in that graph. Arrays that are given to a verb become part of the graph.
"""

from __future__ import annotations

from typing import Literal, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

Activation = Literal["quick_gelu", "gelu", "gelu_tanh"]
Floats = npt.NDArray[np.float32]
V = TypeVar("V")


class Ops(Protocol[V]):
    """N is the number of items, T of tokens, W the length of a token; all values are floats but for the inputs."""

    def rows(self, values: Floats) -> V:
        """The same tokens `(K, W)` for every item: `(N, K, W)`."""

    def join(self, first: V, second: V) -> V:
        """Tokens of the second after those of the first."""

    def add(self, first: V, second: V) -> V:
        """The sum of two values of one shape."""

    def shift(self, x: V, values: Floats) -> V:
        """The sum of a value and an array that is broadcast over it."""

    def norm(self, x: V, gain: Floats, shift: Floats, epsilon: float) -> V:
        """Layer norm over the last axis."""

    def linear(self, x: V, weight: Floats, bias: Floats) -> V:
        """`x` times the transpose of `weight` `(out, in)`, plus `bias` `(out,)`.

        These products are what a tower's time goes into, and what a lower precision may compute in whole numbers.
        """

    def project(self, x: V, weight: Floats) -> V:
        """The same without a bias, always in floats."""

    def split(self, x: V, parts: int) -> list[V]:
        """Equal parts along the last axis."""

    def attention(self, queries: V, keys: V, values: V, heads: int, *, causal: bool = False) -> V:
        """Multi-head attention `(N, T, W)` with scores that are scaled already.

        Args:
            queries: `(N, T, W)`, already divided by the square root of a head's width.
            keys: `(N, S, W)`.
            values: `(N, S, W)`.
            heads: Number of heads, each of which takes W / heads numbers of a token.
            causal: Whether a token sees only itself and those before it.
        """

    def activate(self, x: V, kind: Activation) -> V:
        """An activation, number by number."""

    def token(self, x: V, index: int) -> V:
        """One token of every item: `(N, 1, W)`; -1 is the last."""

    def output(self, x: V, width: int) -> None:
        """What the tower gives: `(N, 1, width)`, handed out as float32 `(N, width)`."""


class PictureOps(Ops[V], Protocol[V]):
    """The verbs of a tower that takes pictures."""

    def pixels(self, side: int) -> V:
        """The input of a tower that takes pictures: uint8 RGB `(N, side, side, 3)`."""

    def patches(self, pixels: V, kernel: Floats, shift: Floats) -> V:
        """Tokens `(N, T, W)` of pixels from 0 to 255, row by row: each patch times `kernel` `(W, 3, side, side)`.

        Args:
            pixels: What `pixels` gave.
            kernel: The kernel; patches do not overlap.
            shift: `(W,)`, added to each.
        """


class TextOps(Ops[V], Protocol[V]):
    """The verbs of a tower that takes texts."""

    def tokens(self, width: int) -> V:
        """The input of a tower that takes texts: float32 `(N, T, width)`, where T may be another in every run."""

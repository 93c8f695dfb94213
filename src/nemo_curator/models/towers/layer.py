"""One transformer layer: attention and a perceptron, each with a norm before it and what came in added behind it.

Pictures and texts share it. Where one token alone is asked for, the layer computes no other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from nemo_curator.models.towers.ops import Activation, Floats, Ops, V


class LayerShape(Protocol):
    """What a layer needs to know of its tower."""

    @property
    def width(self) -> int:
        """Length of a token."""

    @property
    def heads(self) -> int:
        """Attention heads."""

    @property
    def activation(self) -> Activation:
        """The perceptron's activation."""

    @property
    def epsilon(self) -> float:
        """What norms add to the variance."""


@dataclass(frozen=True, slots=True)
class Affine:
    """Weight `(out, in)` and bias `(out,)` of a linear layer; or gain and shift `(width,)` of a norm."""

    weight: Floats
    bias: Floats

    def parts(self, count: int) -> list[Affine]:
        """Several layers on one input that are kept as one, apart."""
        pairs = zip(np.split(self.weight, count), np.split(self.bias, count), strict=True)
        return [Affine(weight, bias) for weight, bias in pairs]

    def scaled(self, gain: Floats) -> Affine:
        """The same layer with each of its outputs times a number: `gain` `(out,)`."""
        return Affine(self.weight * gain[:, None], self.bias * gain)


@dataclass(frozen=True, slots=True)
class Layer:
    """The arrays of one transformer layer.

    Attributes:
        norm1: Norm before attention.
        queries: Projection to queries, not scaled.
        keys: Projection to keys.
        values: Projection to values.
        out: Projection of what attention gives; a layer scale is multiplied into it.
        norm2: Norm before the perceptron.
        rise: First layer of the perceptron.
        fall: Second layer of the perceptron; a layer scale is multiplied into it.
    """

    norm1: Affine
    queries: Affine
    keys: Affine
    values: Affine
    out: Affine
    norm2: Affine
    rise: Affine
    fall: Affine


def write_layer(
    ops: Ops[V], x: V, layer: Layer, tower: LayerShape, *, causal: bool = False, only: int | None = None
) -> V:
    """Write a layer over the tokens `(N, T, W)` that `x` stands for.

    Args:
        ops: The verbs.
        x: The tokens.
        layer: The arrays.
        tower: The tower that it is a layer of.
        causal: Whether a token sees only itself and those before it.
        only: The one token that is asked for, which sees all; None means every token.
    """
    normed = norm(ops, x, layer.norm1, tower)
    asking = Affine(layer.queries.weight * scale(tower), layer.queries.bias * scale(tower))
    if only is None:
        queries, keys, values = ops.split(linear(ops, normed, stacked(asking, layer.keys, layer.values)), 3)
    else:
        queries = linear(ops, ops.token(normed, only), asking)
        keys, values = ops.split(linear(ops, normed, stacked(layer.keys, layer.values)), 2)
        x = ops.token(x, only)
    mixed = ops.attention(queries, keys, values, tower.heads, causal=causal and only is None)
    x = ops.add(x, linear(ops, mixed, layer.out))
    return ops.add(x, perceptron(ops, norm(ops, x, layer.norm2, tower), layer.rise, layer.fall, tower))


def perceptron(ops: Ops[V], x: V, rise: Affine, fall: Affine, tower: LayerShape) -> V:
    """Two linear layers with an activation between them."""
    return linear(ops, ops.activate(linear(ops, x, rise), tower.activation), fall)


def norm(ops: Ops[V], x: V, arrays: Affine, tower: LayerShape) -> V:
    """A layer norm."""
    return ops.norm(x, arrays.weight, arrays.bias, tower.epsilon)


def linear(ops: Ops[V], x: V, layer: Affine) -> V:
    """A linear layer."""
    return ops.linear(x, layer.weight, layer.bias)


def scale(tower: LayerShape) -> np.float32:
    """What queries are multiplied by, so that scores need not be."""
    return np.float32((tower.width // tower.heads) ** -0.5)


def stacked(*layers: Affine) -> Affine:
    """Layers on one input as one, because one large product is faster than several small ones."""
    return Affine(np.concatenate([one.weight for one in layers]), np.concatenate([one.bias for one in layers]))

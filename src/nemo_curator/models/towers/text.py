"""Text transformers: texts to one vector each.

The tower is that of CLIP (Radford et al. 2021): a token sees itself and those before it, and the one that ends the text
becomes its vector. So nothing behind that token has a say, and a tower is run on as many tokens as a text has.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nemo_curator.models.towers.ops import Activation, Floats, Ops, TextOps, V
from nemo_curator.models.towers.vision import Affine, Layer


@dataclass(frozen=True, slots=True)
class TextTower:
    """The shape of a text tower.

    Attributes:
        width: Length of a token.
        hidden: Length of a token between the two layers of a perceptron.
        layers: Number of transformer layers.
        heads: Attention heads in each.
        length: Most tokens of a text.
        vocabulary: Number of tokens that there are.
        dimension: Length of the embedding.
        activation: The perceptrons' activation.
        epsilon: What layer norms add to the variance.
    """

    width: int
    hidden: int
    layers: int
    heads: int
    length: int
    vocabulary: int
    dimension: int
    activation: Activation
    epsilon: float


@dataclass(frozen=True, slots=True)
class TextWeights:
    """The arrays of a text tower; layers are read one after the other, while the graph is written.

    Attributes:
        tower: The shape.
        table: `(vocabulary, width)`, the vector of each token.
        positions: `(length, width)`, added by place.
        layer: The arrays of layer i.
        after: Norm after the last layer.
        projection: `(dimension, width)`.
    """

    tower: TextTower
    table: Floats
    positions: Floats
    layer: Callable[[int], Layer]
    after: Affine
    projection: Callable[[], Floats]


def embed(weights: TextWeights, tokens: npt.NDArray[np.int64]) -> Floats:
    """The input of a tower for the tokens `(T,)` of a text: float32 `(T, width)`."""
    return weights.table[tokens] + weights.positions[: len(tokens)]


def write(ops: TextOps[V], weights: TextWeights) -> None:
    """Write the tower: input what `embed` gives, output the embedding of the last token, not yet of unit length."""
    tower = weights.tower
    x = ops.tokens(tower.width)
    for index in range(tower.layers):
        x = _layer(ops, x, weights.layer(index), tower, only_last=index == tower.layers - 1)
    x = ops.norm(x, weights.after.weight, weights.after.bias, tower.epsilon)
    ops.output(ops.project(x, weights.projection()), tower.dimension)


def _layer(ops: Ops[V], x: V, layer: Layer, tower: TextTower, *, only_last: bool) -> V:
    """One transformer layer; of all tokens, or of the last alone, which sees all."""
    normed = ops.norm(x, layer.norm1.weight, layer.norm1.bias, tower.epsilon)
    scale = np.float32((tower.width // tower.heads) ** -0.5)
    asking = ops.token(normed, -1) if only_last else normed
    queries = ops.linear(asking, layer.queries.weight * scale, layer.queries.bias * scale)
    keys = ops.linear(normed, layer.keys.weight, layer.keys.bias)
    values = ops.linear(normed, layer.values.weight, layer.values.bias)
    mixed = ops.attention(queries, keys, values, tower.heads, causal=not only_last)
    x = ops.add(ops.token(x, -1) if only_last else x, ops.linear(mixed, layer.out.weight, layer.out.bias))
    normed = ops.norm(x, layer.norm2.weight, layer.norm2.bias, tower.epsilon)
    risen = ops.activate(ops.linear(normed, layer.rise.weight, layer.rise.bias), tower.activation)
    return ops.add(x, ops.linear(risen, layer.fall.weight, layer.fall.bias))

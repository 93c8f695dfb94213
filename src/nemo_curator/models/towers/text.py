"""Text transformers: texts to one vector each.

The tower is that of CLIP (Radford et al. 2021): a token sees itself and those before it, and the one that ends the text
becomes its vector. So nothing behind that token has a say, and a tower is run on as many tokens as a text has.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nemo_curator.models.towers.layer import Affine, Layer, norm, write_layer
from nemo_curator.models.towers.ops import Activation, Floats, TextOps, V


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
        last = index == tower.layers - 1
        x = write_layer(ops, x, weights.layer(index), tower, causal=True, only=-1 if last else None)
    x = norm(ops, x, weights.after, tower)
    ops.output(ops.project(x, weights.projection()), tower.dimension)

"""Vision transformers: pictures to one vector each.

The family is that of Dosovitskiy et al. 2021 (ViT), as CLIP (Radford et al. 2021), SigLIP (Zhai et al. 2023) and DINOv2
(Oquab et al. 2023) use it: patches to tokens, layers of attention and perceptron with norms before them, one vector at
the end. Where only the first token is asked for, the last layer computes no other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from nemo_curator.models.towers.layer import Affine, Layer, linear, norm, perceptron, scale, stacked, write_layer
from nemo_curator.models.towers.ops import Activation, Floats, Ops, PictureOps, V


@dataclass(frozen=True, slots=True)
class VisionTower:
    """The shape of a vision tower.

    Attributes:
        width: Length of a token.
        hidden: Length of a token between the two layers of a perceptron.
        layers: Number of transformer layers.
        heads: Attention heads in each.
        side: Side of the input picture in pixels.
        patch: Side of a patch in pixels.
        dimension: Length of the embedding.
        activation: The perceptrons' activation.
        epsilon: What layer norms add to the variance.
        mean: Mean of red, green, blue, for pixels from 0 to 1.
        deviation: Standard deviation of red, green, blue.
    """

    width: int
    hidden: int
    layers: int
    heads: int
    side: int
    patch: int
    dimension: int
    activation: Activation
    epsilon: float
    mean: tuple[float, float, float]
    deviation: tuple[float, float, float]

    @property
    def patches(self) -> int:
        """Number of patches of a picture."""
        return (self.side // self.patch) ** 2

    @property
    def tokens(self) -> int:
        """Number of tokens with a class token before the patches."""
        return self.patches + 1


@dataclass(frozen=True, slots=True)
class AttentionPool:
    """A head that gathers all tokens by attention with one learnt query (SigLIP).

    Attributes:
        query: `(width,)`, projected, not scaled.
        keys: Projection to keys.
        values: Projection to values.
        out: Projection of what attention gives.
        norm: Norm before the perceptron.
        rise: First layer of the perceptron.
        fall: Second layer of the perceptron.
    """

    query: Floats
    keys: Affine
    values: Affine
    out: Affine
    norm: Affine
    rise: Affine
    fall: Affine


@dataclass(frozen=True, slots=True)
class VisionWeights:
    """The arrays of a vision tower; layers are read one after the other, while the graph is written.

    Attributes:
        tower: The shape.
        kernel: `(width, 3, patch, patch)` for normalised pixels.
        kernel_bias: `(width,)`.
        first: Class and register tokens before the patches, with the positions that belong to them; `(K, width)`.
        positions: `(patches, width)`, of the patches.
        before: Norm before the first layer, if there is one.
        layer: The arrays of layer i.
        after: Norm after the last layer.
        projection: `(dimension, width)`, if there is one.
        pool: What gathers all tokens; None takes the first one.
    """

    tower: VisionTower
    kernel: Floats
    kernel_bias: Floats
    first: Floats
    positions: Floats
    before: Affine | None
    layer: Callable[[int], Layer]
    after: Affine
    projection: Callable[[], Floats] | None
    pool: Callable[[], AttentionPool] | None = None


def write(ops: PictureOps[V], weights: VisionWeights) -> None:
    """Write the tower: input `pixels`, output the embedding, not yet of unit length."""
    tower = weights.tower
    x = _embed(ops, weights)
    if weights.before is not None:
        x = norm(ops, x, weights.before, tower)
    for index in range(tower.layers):
        alone = weights.pool is None and index == tower.layers - 1
        x = write_layer(ops, x, weights.layer(index), tower, only=0 if alone else None)
    x = norm(ops, x, weights.after, tower)
    if weights.pool is not None:
        x = _pool(ops, x, weights.pool(), tower)
    if weights.projection is not None:
        x = ops.project(x, weights.projection())
    ops.output(x, tower.dimension)


def _embed(ops: PictureOps[V], weights: VisionWeights) -> V:
    """Pixels to tokens, each with its position."""
    tower = weights.tower
    # patches have no padding, so that the whole normalisation of the pixels folds into the kernel
    kernel = weights.kernel.astype(np.float64)
    deviation, mean = (np.array(one).reshape(1, 3, 1, 1) for one in (tower.deviation, tower.mean))
    bias = weights.kernel_bias - (kernel / deviation * mean).sum(axis=(1, 2, 3))
    scaled = (kernel / (deviation * 255)).astype(np.float32)
    x = ops.patches(ops.pixels(tower.side), scaled, bias.astype(np.float32))
    x = ops.shift(x, weights.positions)
    return ops.join(ops.rows(weights.first), x) if len(weights.first) else x


def _pool(ops: Ops[V], x: V, pool: AttentionPool, tower: VisionTower) -> V:
    keys, values = ops.split(linear(ops, x, stacked(pool.keys, pool.values)), 2)
    gathered = ops.attention(ops.rows((pool.query * scale(tower))[None]), keys, values, tower.heads)
    gathered = linear(ops, gathered, pool.out)
    normed = norm(ops, gathered, pool.norm, tower)
    return ops.add(gathered, perceptron(ops, normed, pool.rise, pool.fall, tower))

"""Towers of the true widths with random numbers and few layers, for what does not depend on which numbers they are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nemo_curator.models.towers.layer import Affine, Layer
from nemo_curator.models.towers.ops import Activation
from nemo_curator.models.towers.vision import AttentionPool, VisionTower, VisionWeights


@dataclass(frozen=True)
class Shape:
    """What the kernels of a runtime see of a tower."""

    width: int
    hidden: int
    heads: int
    side: int
    patch: int
    activation: Activation
    pooled: bool = False
    layers: int = 2


TRUE_SHAPES = {
    "clip-vit-base-patch32": Shape(768, 3072, 12, 224, 32, "quick_gelu"),
    "clip-vit-large-patch14": Shape(1024, 4096, 16, 224, 14, "quick_gelu"),
    "siglip-base-patch16-224": Shape(768, 3072, 12, 224, 16, "gelu_tanh", pooled=True),
    "siglip-so400m": Shape(1152, 4304, 16, 196, 14, "gelu_tanh", pooled=True, layers=1),
    "dinov2-small": Shape(384, 1536, 6, 224, 14, "gelu"),
}
"""The widths that registered towers have."""


def random_weights(shape: Shape) -> VisionWeights:
    """A tower of that shape."""
    rng = np.random.default_rng(5)
    width, hidden = shape.width, shape.hidden

    def affine(wide: int, narrow: int) -> Affine:
        weight = rng.standard_normal((wide, narrow), np.float32) * np.float32(narrow**-0.5)
        return Affine(weight, rng.standard_normal(wide, np.float32) * np.float32(0.1))

    def norm() -> Affine:
        gain = 1 + 0.2 * rng.standard_normal(width, np.float32)
        return Affine(gain.astype(np.float32), rng.standard_normal(width, np.float32) * np.float32(0.1))

    def layer(_index: int) -> Layer:
        square = [affine(width, width) for _ in range(4)]
        return Layer(norm(), *square, norm(), affine(hidden, width), affine(width, hidden))

    def pool() -> AttentionPool:
        query = rng.standard_normal(width, np.float32)
        square = [affine(width, width) for _ in range(3)]
        return AttentionPool(query, *square, norm(), affine(hidden, width), affine(width, hidden))

    tower = VisionTower(
        width,
        hidden,
        shape.layers,
        shape.heads,
        shape.side,
        shape.patch,
        width,
        shape.activation,
        1e-6,
        (0.5, 0.5, 0.5),
        (0.5, 0.5, 0.5),
    )
    return VisionWeights(
        tower=tower,
        kernel=rng.standard_normal((width, 3, shape.patch, shape.patch), np.float32) * np.float32(0.05),
        kernel_bias=np.zeros(width, np.float32),
        first=rng.standard_normal((0 if shape.pooled else 1, width), np.float32),
        positions=rng.standard_normal((tower.patches, width), np.float32) * np.float32(0.5),
        before=None,
        layer=layer,
        after=norm(),
        projection=None,
        pool=pool if shape.pooled else None,
    )

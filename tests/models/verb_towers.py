"""Small towers that use every verb, written once, to compare runtimes with."""

from __future__ import annotations

from dataclasses import replace

from tests.models.formula import SMALL_TOWER, clip_config, clip_tensors, numbers

from nemo_curator.models.layouts.clip_arrays import vision_weights
from nemo_curator.models.towers.tensors import Tensors
from nemo_curator.models.towers.vision import VisionTower, write

TOWER = VisionTower(
    width=32,
    hidden=64,
    layers=2,
    heads=4,
    side=224,
    patch=32,
    dimension=24,
    activation="quick_gelu",
    epsilon=1e-5,
    mean=(0.48, 0.46, 0.41),
    deviation=(0.27, 0.26, 0.28),
)


def gather(ops):
    """What a pooling head needs, and activations that stand alone: behind a sum, before a sum, and twice."""
    width, heads = 16, 2
    kernel = numbers(width, 3, 5, 5, seed=1, scale=0.05)  # 5 does not divide 16: pixels at two edges are left out
    x = ops.patches(ops.pixels(16), kernel, numbers(width, seed=2))
    x = ops.join(ops.rows(numbers(2, width, seed=3)), x)
    bent = ops.activate(ops.shift(x, numbers(width, seed=4)), "quick_gelu")
    x = ops.add(x, bent)
    x = ops.add(x, ops.activate(ops.activate(x, "gelu"), "gelu_tanh"))
    both = ops.linear(ops.activate(x, "quick_gelu"), numbers(2 * width, width, seed=5), numbers(2 * width, seed=6))
    keys, values = ops.split(both, 2)
    x = ops.attention(ops.rows(numbers(1, width, seed=7)), keys, values, heads)
    ops.output(ops.linear(x, numbers(8, width, seed=8), numbers(8, seed=9)), 8)


def clip(activation="quick_gelu"):
    """A function that writes a CLIP image tower of two layers over pictures of 224 by 224."""
    tower = replace(TOWER, activation=activation)
    tensors = clip_tensors(clip_config(tower.patch, tower.dimension, **SMALL_TOWER))

    def written(ops):
        write(ops, vision_weights(tower, Tensors(dict(tensors), "formula")))

    return written

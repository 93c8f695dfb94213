"""A CLIP vision tower as an ONNX graph: a vision transformer, its projection, and rows of unit length.

The float arrays stay outside the graph and are handed to the runtime when it is loaded. The graph is then a few
hundred kilobytes and built in milliseconds, and no second copy of the weights (1.2 GB for ViT-L/14) lies on disk.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from nemo_curator.models.onnx_graph import GraphWriter, pixels_to_channels_first, unit_rows
from nemo_curator.models.weights import expect_shapes

Activation = Literal["quick_gelu", "gelu"]
Tensors = dict[str, npt.NDArray[Any]]
Floats = npt.NDArray[np.float32]

PREFIXES = ("vision_model.", "visual_projection.")


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
    def tokens(self) -> int:
        """Number of tokens: one for each patch, and the class token."""
        return (self.side // self.patch) ** 2 + 1


def build_graph(tower: VisionTower, tensors: Tensors, where: str = "") -> tuple[bytes, dict[str, Floats]]:
    """The serialised graph and the arrays that belong to it.

    Input `pixels` uint8 RGB `(N, side, side, 3)`, output `embedding` float32 `(N, dimension)` of unit L2 norm.

    Args:
        tower: The shape.
        tensors: The state dict's tensors under `PREFIXES`, float32 or float16; emptied while the graph is built, so
            that the weights are not in memory twice.
        where: The weight file, for error messages.

    Returns:
        The ONNX model, and name to float32 array of its external initialisers.

    Raises:
        WeightsError: A tensor is missing or has another shape.
    """
    net = _Tower(tower, tensors, where)
    x = net.norm(net.embed(), "vision_model.pre_layrnorm")
    for layer in range(tower.layers):
        prefix = f"vision_model.encoder.layers.{layer}"
        x = net.graph.node("Add", x, net.attention(net.norm(x, f"{prefix}.layer_norm1"), f"{prefix}.self_attn"))
        x = net.graph.node("Add", x, net.perceptron(net.norm(x, f"{prefix}.layer_norm2"), f"{prefix}.mlp"))
    first = net.graph.node("Gather", x, net.graph.constant(0, np.int64), axis=1)
    pooled = net.norm(first, "vision_model.post_layernorm")
    projection = net.take("visual_projection.weight", tower.dimension, tower.width)
    projected = net.graph.node("MatMul", pooled, net.graph.constant(projection.T))
    unit_rows(net.graph, projected, "embedding")
    return net.graph.finish({"embedding": ("N", tower.dimension)}), net.graph.outside


class _Tower:
    """The graph being written and the tensors it is written from."""

    def __init__(self, tower: VisionTower, tensors: Tensors, where: str) -> None:
        self.graph = GraphWriter("clip-vision-tower", external=True)
        self._tower = tower
        self._tensors = tensors
        self._where = where

    def take(self, name: str, *shape: int) -> Floats:
        found = expect_shapes(self._tensors, {name: shape}, where=self._where)[name]
        del self._tensors[name]
        return found

    def embed(self) -> str:
        """Pixels to tokens: patches and the class token, each with its position."""
        tower, graph = self._tower, self.graph
        kernel = self.take("vision_model.embeddings.patch_embedding.weight", tower.width, 3, tower.patch, tower.patch)
        # patches have no padding, so that the whole normalisation of the pixels folds into the convolution
        deviation = np.array(tower.deviation).reshape(1, 3, 1, 1)
        shift = -(kernel / deviation * np.array(tower.mean).reshape(1, 3, 1, 1)).sum(axis=(1, 2, 3))
        pixels = graph.input("pixels", np.uint8, ("N", tower.side, tower.side, 3))
        patches = graph.node(
            "Conv",
            pixels_to_channels_first(graph, pixels),
            graph.constant(kernel / (deviation * 255)),
            graph.constant(shift),
            kernel_shape=[tower.patch, tower.patch],
            strides=[tower.patch, tower.patch],
        )
        flat = graph.node("Reshape", patches, graph.constant([0, tower.width, -1], np.int64))
        tokens = graph.node("Transpose", flat, perm=[0, 2, 1])
        # a row of zeros in front becomes the class token, whose embedding is added with its position
        padded = graph.node("Pad", tokens, graph.constant([0, 1, 0, 0, 0, 0], np.int64))
        # a copy, because arrays from a torch file are read-only
        position = self.take("vision_model.embeddings.position_embedding.weight", tower.tokens, tower.width).copy()
        position[0] += self.take("vision_model.embeddings.class_embedding", tower.width)
        return graph.node("Add", padded, graph.constant(position))

    def norm(self, x: str, name: str) -> str:
        gain, shift = (self.take(f"{name}.{part}", self._tower.width) for part in ("weight", "bias"))
        return self.graph.node(
            "LayerNormalization",
            x,
            self.graph.constant(gain),
            self.graph.constant(shift),
            axis=-1,
            epsilon=self._tower.epsilon,
        )

    def linear(self, x: str, name: str, inputs: int, outputs: int, scale: float = 1.0) -> str:
        weight = self.take(f"{name}.weight", outputs, inputs).T
        bias = self.take(f"{name}.bias", outputs)
        if scale != 1.0:
            weight, bias = weight * np.float32(scale), bias * np.float32(scale)
        return self.graph.node(
            "Add", self.graph.node("MatMul", x, self.graph.constant(weight)), self.graph.constant(bias)
        )

    def attention(self, x: str, name: str) -> str:
        width, heads, graph = self._tower.width, self._tower.heads, self.graph
        each = width // heads

        def split(value: str, order: list[int]) -> str:
            parts = graph.node("Reshape", value, graph.constant([0, 0, heads, each], np.int64))
            return graph.node("Transpose", parts, perm=order)

        # the scale of the scores is folded into the queries
        queries = split(self.linear(x, f"{name}.q_proj", width, width, each**-0.5), [0, 2, 1, 3])
        keys = split(self.linear(x, f"{name}.k_proj", width, width), [0, 2, 3, 1])
        values = split(self.linear(x, f"{name}.v_proj", width, width), [0, 2, 1, 3])
        weights = graph.node("Softmax", graph.node("MatMul", queries, keys), axis=-1)
        mixed = graph.node("Transpose", graph.node("MatMul", weights, values), perm=[0, 2, 1, 3])
        joined = graph.node("Reshape", mixed, graph.constant([0, 0, width], np.int64))
        return self.linear(joined, f"{name}.out_proj", width, width)

    def perceptron(self, x: str, name: str) -> str:
        width, hidden, graph = self._tower.width, self._tower.hidden, self.graph
        x = self.linear(x, f"{name}.fc1", width, hidden)
        if self._tower.activation == "quick_gelu":
            gate = graph.node("Sigmoid", graph.node("Mul", x, graph.constant(np.float32(1.702))))
            x = graph.node("Mul", x, gate)
        else:
            error = graph.node("Erf", graph.node("Div", x, graph.constant(np.float32(2**0.5))))
            doubled = graph.node("Mul", x, graph.node("Add", error, graph.constant(np.float32(1))))
            x = graph.node("Mul", doubled, graph.constant(np.float32(0.5)))
        return self.linear(x, f"{name}.fc2", hidden, width)

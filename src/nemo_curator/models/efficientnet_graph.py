"""EfficientNet-Lite0 as an ONNX graph with batch norms folded.

What follows from the network's source (`tensorflow/tpu`, `efficientnet/lite`): pixels are normalised as
(x - 127) / 128, a convolution pads as TensorFlow's SAME does (the odd pixel at the end), batch norms use epsilon 1e-3,
activations are ReLU6, there is no squeeze-and-excitation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nemo_curator.errors import WeightsError
from nemo_curator.models.onnx_graph import GraphWriter, pixels_to_channels_first, unit_rows

BUILDER_VERSION = 1
SIDE = 224
DIMENSION = 1280
CLASSES = 1000
_MEAN, _SCALE = 127.0, 128.0
_EPSILON = 1e-3

# repeats, kernel, stride of the first, expansion, channels out
_STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
_STEM = 32

Tensors = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Block:
    """One inverted bottleneck: `expand` by a 1x1 convolution, a depthwise one, and a 1x1 back to `outputs` channels."""

    kernel: int
    stride: int
    expand: int
    inputs: int
    outputs: int

    @property
    def residual(self) -> bool:
        """Whether the input is added to the output."""
        return self.stride == 1 and self.inputs == self.outputs


def blocks() -> list[Block]:
    """The sixteen blocks, in order."""
    found, inputs = [], _STEM
    for repeats, kernel, stride, expand, outputs in _STAGES:
        for repeat in range(repeats):
            found.append(Block(kernel, stride if repeat == 0 else 1, expand, inputs, outputs))
            inputs = outputs
    return found


def build_graph(tensors: Tensors, where: str = "") -> bytes:
    """The serialised ONNX model of EfficientNet-Lite0.

    Input `pixels` uint8 `(N, 224, 224, 3)`; outputs `embedding` float32 `(N, 1280)` of unit L2 norm and `logits`
    float32 `(N, 1000)` over the ImageNet-1k classes in their usual order.

    Args:
        tensors: The state dict.
        where: The weight file, for error messages.

    Raises:
        WeightsError: A tensor is missing or has another shape.
    """
    net = _Net(tensors, where)
    graph = net.graph
    pixels = pixels_to_channels_first(graph, graph.input("pixels", np.uint8, ("N", SIDE, SIDE, 3)))
    # the mean is subtracted outside the convolution, because the padding must be zero after it; the scale goes inside
    x = graph.node("Sub", pixels, graph.constant(np.float32(_MEAN)))
    side = SIDE
    x, side = net.conv(x, "_conv_stem", "_bn0", (_STEM, 3), kernel=3, stride=2, side=side, scale=1 / _SCALE)
    for index, block in enumerate(blocks()):
        x, side = _add_block(net, x, f"_blocks.{index}.", block, side)
    x, side = net.conv(x, "_conv_head", "_bn1", (DIMENSION, 320), side=side)
    pooled = graph.node("GlobalAveragePool", x)
    # the classifier as a 1x1 convolution: that is computed image by image, where a matrix product is not
    weight = net.tensor("_fc.weight", (CLASSES, DIMENSION)).reshape(CLASSES, DIMENSION, 1, 1)
    scores = graph.node("Conv", pooled, graph.constant(weight), graph.constant(net.tensor("_fc.bias", (CLASSES,))))
    graph.node("Flatten", scores, output="logits", axis=1)
    unit_rows(graph, graph.node("Flatten", pooled, axis=1), "embedding")
    return graph.finish({"embedding": ("N", DIMENSION), "logits": ("N", CLASSES)})


def _add_block(net: _Net, x: str, prefix: str, block: Block, side: int) -> tuple[str, int]:
    start, width = x, block.inputs * block.expand
    if block.expand != 1:
        x, side = net.conv(x, f"{prefix}_expand_conv", f"{prefix}_bn0", (width, block.inputs), side=side)
    x, side = net.conv(
        x,
        f"{prefix}_depthwise_conv",
        f"{prefix}_bn1",
        (width, 1),
        kernel=block.kernel,
        stride=block.stride,
        side=side,
        groups=width,
    )
    x, side = net.conv(
        x, f"{prefix}_project_conv", f"{prefix}_bn2", (block.outputs, width), side=side, activation=False
    )
    return (net.graph.node("Add", x, start) if block.residual else x), side


class _Net:
    """The graph being written and the tensors it is written from."""

    def __init__(self, tensors: Tensors, where: str) -> None:
        self.graph = GraphWriter("efficientnet-lite0")
        self._tensors = tensors
        self._where = where

    def tensor(self, name: str, shape: tuple[int, ...]) -> npt.NDArray[np.float64]:
        found = self._tensors.get(name)
        if found is None or found.shape != shape or found.dtype.kind != "f":
            seen = "is missing" if found is None else f"is {found.dtype} {list(found.shape)}"
            raise WeightsError(
                f"tensor {name!r} {seen}, expected floats {list(shape)}",
                where=self._where,
                cause="the file belongs to another model",
            )
        return np.asarray(found, np.float64)

    def conv(
        self,
        x: str,
        conv: str,
        norm: str,
        channels: tuple[int, int],
        *,
        side: int,
        kernel: int = 1,
        stride: int = 1,
        groups: int = 1,
        scale: float = 1.0,
        activation: bool = True,
    ) -> tuple[str, int]:
        """Convolution, folded batch norm, ReLU6; returns the value's name and its side in pixels."""
        weight = self.tensor(f"{conv}.weight", (*channels, kernel, kernel))
        gain, shift, mean, variance = (
            self.tensor(f"{norm}.{part}", channels[:1]) for part in ("weight", "bias", "running_mean", "running_var")
        )
        factor = gain / np.sqrt(variance + _EPSILON)
        out = -(-side // stride)
        padding = max((out - 1) * stride + kernel - side, 0)
        before, after = padding // 2, padding - padding // 2
        y = self.graph.node(
            "Conv",
            x,
            self.graph.constant(weight * (factor * scale)[:, None, None, None]),
            self.graph.constant(shift - mean * factor),
            kernel_shape=[kernel, kernel],
            strides=[stride, stride],
            pads=[before, before, after, after],
            group=groups,
        )
        if activation:
            y = self.graph.node("Clip", y, self.graph.constant(np.float32(0)), self.graph.constant(np.float32(6)))
        return y, out

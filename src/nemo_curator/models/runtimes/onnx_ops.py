"""The verbs of a tower as an ONNX graph.

The float arrays stay outside the graph and are handed to the runtime when it is loaded. The graph is then a few hundred
kilobytes and built in milliseconds, and no second copy of the weights (1.2 GB for ViT-L/14) lies on disk.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nemo_curator.models.onnx_graph import GraphWriter, pixels_to_channels_first
from nemo_curator.models.towers.ops import Activation, Floats

OUTPUT = "embedding"


class OnnxOps:
    """Writes a graph over a batch of a size that is fixed; a value is known by its name.

    Args:
        batch: Number of items in a batch: one for `OnnxSession`.
        whole_numbers: Compute the linear layers in 8-bit whole numbers: weights with a scale for each output,
            activations with one scale and zero for each item, which therefore must be alone in its batch.
        half: Compute in 16-bit floats, from the tokens of the patches to the output.

    Raises:
        ValueError: `whole_numbers` is asked for with a batch of several items.
    """

    def __init__(self, batch: int = 1, *, whole_numbers: bool = False, half: bool = False) -> None:
        if whole_numbers and batch != 1:
            raise ValueError("in whole numbers, an item must be alone in its batch")
        self.graph = GraphWriter("tower", external=True)
        self._batch = batch
        self._whole_numbers = whole_numbers
        self._type: type[np.generic] = np.float16 if half else np.float32
        self._width = 0

    def finish(self) -> bytes:
        """The serialised graph; its arrays are in `graph.outside`."""
        return self.graph.finish({OUTPUT: (self._batch, self._width)})

    def pixels(self, side: int) -> str:
        """The input: uint8 RGB `(batch, side, side, 3)`."""
        return self.graph.input("pixels", np.uint8, (self._batch, side, side, 3))

    def tokens(self, width: int) -> str:
        """The input: float32 `(batch, T, width)`."""
        return self.graph.input("tokens", np.float32, (self._batch, "T", width))

    def patches(self, pixels: str, kernel: Floats, shift: Floats) -> str:
        """A convolution without overlap, and its places in a row."""
        graph, side = self.graph, kernel.shape[-1]
        first = pixels_to_channels_first(graph, pixels)
        patches = graph.node(
            "Conv",
            first,
            graph.constant(kernel),
            graph.constant(shift),
            kernel_shape=[side, side],
            strides=[side, side],
        )
        flat = graph.node("Reshape", patches, graph.constant([0, len(kernel), -1], np.int64))
        tokens = graph.node("Transpose", flat, perm=[0, 2, 1])
        # this product is small, and pixels of up to 255 are better summed in 32 bits
        return graph.cast(tokens, np.float16) if self._type is np.float16 else tokens

    def rows(self, values: Floats) -> str:
        """Constant tokens."""
        return self._floats(np.broadcast_to(values, (self._batch, *values.shape)))

    def join(self, first: str, second: str) -> str:
        """Tokens after tokens."""
        return self.graph.node("Concat", first, second, axis=1)

    def add(self, first: str, second: str) -> str:
        """A sum."""
        return self.graph.node("Add", first, second)

    def shift(self, x: str, values: Floats) -> str:
        """A sum with an array."""
        return self.graph.node("Add", x, self._floats(values))

    def norm(self, x: str, gain: Floats, shift: Floats, epsilon: float) -> str:
        """A layer norm."""
        constants = [self._floats(one) for one in (gain, shift)]
        return self.graph.node("LayerNormalization", x, *constants, axis=-1, epsilon=epsilon)

    def linear(self, x: str, weight: Floats, bias: Floats) -> str:
        """A product and a bias."""
        product = self._whole_product(x, weight) if self._whole_numbers else self.project(x, weight)
        return self.shift(product, bias)

    def project(self, x: str, weight: Floats) -> str:
        """A product in floats."""
        return self.graph.node("MatMul", x, self._floats(weight.T))

    def split(self, x: str, parts: int) -> list[str]:
        """Equal parts along the last axis."""
        return self.graph.nodes("Split", x, count=parts, axis=-1)

    def attention(self, queries: str, keys: str, values: str, heads: int, *, causal: bool = False) -> str:
        """Attention, head by head."""
        graph = self.graph

        def apart(value: str, order: list[int]) -> str:
            each = graph.node("Reshape", value, graph.constant([0, 0, heads, -1], np.int64))
            return graph.node("Transpose", each, perm=order)

        scores = graph.node("MatMul", apart(queries, [0, 2, 1, 3]), apart(keys, [0, 2, 3, 1]))
        if causal:
            scores = graph.node("Add", scores, self._future(scores))
        weights = graph.node("Softmax", scores, axis=-1)
        mixed = graph.node("MatMul", weights, apart(values, [0, 2, 1, 3]))
        joined = graph.node("Transpose", mixed, perm=[0, 2, 1, 3])
        return graph.node("Reshape", joined, graph.constant([0, 0, -1], np.int64))

    def activate(self, x: str, kind: Activation) -> str:
        """An activation."""
        graph = self.graph
        if kind == "quick_gelu":
            return graph.node("Mul", x, graph.node("Sigmoid", self._times(x, 1.702)))
        if kind == "gelu":
            bent = graph.node("Erf", self._times(x, 0.5**0.5))
        else:
            cubed = graph.node("Mul", graph.node("Mul", x, x), x)
            inner = graph.node("Add", x, self._times(cubed, 0.044715))
            bent = graph.node("Tanh", self._times(inner, (2 / np.pi) ** 0.5))
        gate = graph.node("Add", bent, self._floats(np.float32(1)))
        return self._times(graph.node("Mul", x, gate), 0.5)

    def token(self, x: str, index: int) -> str:
        """One token."""
        return self.graph.node("Gather", x, self.graph.constant([index], np.int64), axis=1)

    def output(self, x: str, width: int) -> None:
        """What the graph gives."""
        self._width = width
        x = self.graph.to_float(x) if self._type is np.float16 else x
        self.graph.node("Squeeze", x, self.graph.constant([1], np.int64), output=OUTPUT)

    def _times(self, x: str, factor: float) -> str:
        return self.graph.node("Mul", x, self._floats(np.float32(factor)))

    def _floats(self, values: npt.ArrayLike) -> str:
        return self.graph.constant(values, self._type)

    def _future(self, scores: str) -> str:
        """Minus infinity above the diagonal of `(N, heads, T, T)`."""
        graph = self.graph
        shape = graph.node("Shape", scores, start=2)
        low = graph.node("ConstantOfShape", shape, value=np.array([-np.inf], self._type))
        return graph.node("Trilu", low, graph.constant(1, np.int64), upper=1)

    def _whole_product(self, x: str, weight: Floats) -> str:
        graph = self.graph
        whole, scales = whole_rows(weight)
        lowered, scale, zero = graph.nodes("DynamicQuantizeLinear", x, count=3)
        constant = graph.constant(whole.T, np.int8)
        product = graph.node("MatMulInteger", lowered, constant, zero)
        both = graph.node("Mul", scale, graph.constant(scales))
        return graph.node("Mul", graph.to_float(product), both)


def whole_rows(weight: Floats) -> tuple[np.ndarray[tuple[int, ...], np.dtype[np.int8]], Floats]:
    """A matrix `(out, in)` as whole numbers from -127 to 127, and the scale `(out,)` of each row."""
    scales = np.maximum(np.abs(weight).max(axis=1), np.finfo(np.float32).tiny) / np.float32(127)
    return np.rint(weight / scales[:, None]).astype(np.int8), scales.astype(np.float32)

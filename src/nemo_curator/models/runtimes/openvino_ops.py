"""The verbs of a tower as an OpenVINO graph, over a batch of a size that is fixed.

Graphs of a free batch size are slower, and crashed where they were tried (OpenVINO 2026.4). A free number of tokens in
a batch of one is neither.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from nemo_curator.models.runtimes.onnx_ops import whole_rows
from nemo_curator.models.towers.ops import Activation, Floats


class OpenVinoOps:
    """Writes a graph; a value is a node of OpenVINO.

    Args:
        opset: The module of OpenVINO's operators.
        batch: Number of items in a batch.
        whole_numbers: Keep the weights of the linear layers as 8-bit whole numbers with a scale for each output.
            OpenVINO then computes these products in whole numbers too, with scales for groups of each token's numbers.
    """

    def __init__(self, opset: Any, batch: int, *, whole_numbers: bool = False) -> None:
        self._op = opset
        self._batch = batch
        self._whole_numbers = whole_numbers
        self.inputs: list[Any] = []
        self.outputs: list[Any] = []

    def pixels(self, side: int) -> Any:
        """The input: uint8 RGB `(batch, side, side, 3)`."""
        return self._input([self._batch, side, side, 3], np.uint8)

    def tokens(self, width: int) -> Any:
        """The input: float32 `(batch, T, width)`."""
        return self._input([self._batch, -1, width], np.float32)

    def patches(self, pixels: Any, kernel: Floats, shift: Floats) -> Any:
        """A convolution without overlap, and its places in a row."""
        op, side = self._op, kernel.shape[-1]
        # transposed while each pixel is still one byte
        first = op.convert(op.transpose(pixels, self._whole([0, 3, 1, 2])), "f32")
        patches = op.convolution(first, self._floats(kernel), [side, side], [0, 0], [0, 0], [1, 1])
        flat = op.reshape(patches, self._whole([0, len(kernel), -1]), special_zero=True)
        return self.shift(op.transpose(flat, self._whole([0, 2, 1])), shift)

    def rows(self, values: Floats) -> Any:
        """Constant tokens."""
        return self._floats(np.broadcast_to(values, (self._batch, *values.shape)))

    def join(self, first: Any, second: Any) -> Any:
        """Tokens after tokens."""
        return self._op.concat([first, second], 1)

    def add(self, first: Any, second: Any) -> Any:
        """A sum."""
        return self._op.add(first, second)

    def shift(self, x: Any, values: Floats) -> Any:
        """A sum with an array."""
        return self._op.add(x, self._floats(values))

    def norm(self, x: Any, gain: Floats, shift: Floats, epsilon: float) -> Any:
        """A layer norm."""
        normed = self._op.mvn(x, self._whole([-1]), normalize_variance=True, eps=epsilon, eps_mode="INSIDE_SQRT")
        return self.shift(self._op.multiply(normed, self._floats(gain)), shift)

    def linear(self, x: Any, weight: Floats, bias: Floats) -> Any:
        """A product and a bias."""
        return self.shift(self._product(x, self._lowered(weight) if self._whole_numbers else weight), bias)

    def project(self, x: Any, weight: Floats) -> Any:
        """A product in floats."""
        return self._product(x, weight)

    def split(self, x: Any, parts: int) -> list[Any]:
        """Equal parts along the last axis."""
        return list(self._op.split(x, self._whole(2), parts).outputs())

    def attention(self, queries: Any, keys: Any, values: Any, heads: int, *, causal: bool = False) -> Any:
        """Attention, head by head; the operator of OpenVINO for all of it costs one more pass over the scores."""
        op = self._op

        def apart(value: Any, order: list[int]) -> Any:
            each = op.reshape(value, self._whole([0, 0, heads, -1]), special_zero=True)
            return op.transpose(each, self._whole(order))

        if causal:  # its number of tokens varies, which a mask of ours could not
            mixed = op.scaled_dot_product_attention(
                *(apart(one, [0, 2, 1, 3]) for one in (queries, keys, values)),
                attention_mask=self._floats(np.float32(0)),
                scale=self._floats(np.float32(1)),  # the queries are scaled already
                causal=True,
            )
        else:
            scores = self._times(apart(queries, [0, 2, 1, 3]), apart(keys, [0, 2, 3, 1]))
            mixed = self._times(op.softmax(scores, 3), apart(values, [0, 2, 1, 3]))
        joined = op.transpose(mixed, self._whole([0, 2, 1, 3]))
        return op.reshape(joined, self._whole([0, 0, -1]), special_zero=True)

    def activate(self, x: Any, kind: Activation) -> Any:
        """An activation."""
        if kind == "quick_gelu":
            return self._op.swish(x, self._floats(np.float32(1.702)))
        return self._op.gelu(x, "erf" if kind == "gelu" else "tanh")

    def token(self, x: Any, index: int) -> Any:
        """One token."""
        return self._op.gather(x, self._whole([index]), self._whole(1))

    def output(self, x: Any, width: int) -> None:
        """What the graph gives."""
        self.outputs.append(self._op.reshape(x, self._whole([self._batch, width]), special_zero=False))

    def _input(self, shape: list[int], dtype: type[np.generic]) -> Any:
        self.inputs.append(self._op.parameter(shape, np.dtype(dtype)))
        return self.inputs[-1]

    def _product(self, x: Any, weight: Any) -> Any:
        held = self._floats(weight) if isinstance(weight, np.ndarray) else weight
        return self._op.matmul(x, held, transpose_a=False, transpose_b=True)

    def _times(self, first: Any, second: Any) -> Any:
        return self._op.matmul(first, second, transpose_a=False, transpose_b=False)

    def _lowered(self, weight: Floats) -> Any:
        whole, scales = whole_rows(weight)
        return self._op.multiply(self._op.convert(self._op.constant(whole), "f32"), self._floats(scales[:, None]))

    def _floats(self, values: Any) -> Any:
        return self._op.constant(np.array(values, np.float32, order="C"))

    def _whole(self, values: Any) -> Any:
        return self._op.constant(np.array(values, np.int64))

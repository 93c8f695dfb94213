"""The verbs of a tower as a torch graph.

Every verb becomes one or two kernels that torch ships compiled, so that the bits of a result depend on torch, the
device and the size of the batch, and on no compiler that may be there or not.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np

from nemo_curator.models.towers.ops import Activation, Floats

_MIDDLE = 128  # of a pixel's range
_QUICK = 1.702  # quick_gelu(x) = silu(1.702 x) / 1.702


class _Linear(NamedTuple):
    """A linear layer that was just written, and what it was written from."""

    node: Any
    x: Any
    weight: Floats
    bias: Floats


class TorchOps:
    """Writes a graph; a value is a node of `torch.fx`, and the arrays are buffers of the module that it becomes.

    Values are of one type throughout; the sums inside products, norms and attention are in 32 bits.

    Args:
        torch: The package.
        dtype: Type of the values: `torch.float32`, `torch.bfloat16` or `torch.float16`.
        device: Where the arrays go as they are written, so that they are not in memory twice.

    Attributes:
        item_shape: Shape of one input item.
        input_type: Type of the input.
        width: Length of an output row.
    """

    def __init__(self, torch: Any, *, dtype: Any, device: str) -> None:
        self._torch = torch
        self._functional = torch.nn.functional
        self._dtype = dtype
        self._device = device
        self._root = torch.nn.Module()
        self._graph = import_module("torch.fx").Graph()
        self._arrays = 0
        self._last: _Linear | None = None
        self._shares: dict[Any, float] = {}  # values that stand for so many times themselves
        self._input: Any = None
        self.item_shape: tuple[int, ...] = ()
        self.input_type: type[np.generic] = np.uint8
        self.width = 0

    def finish(self) -> Any:
        """The module: a batch in, rows of float32 out."""
        self._last = None
        return import_module("torch.fx").GraphModule(self._root, self._graph).eval()

    def pixels(self, side: int) -> Any:
        """The input: uint8 RGB `(N, side, side, 3)`."""
        self.item_shape, self.input_type = (side, side, 3), np.uint8
        return self._given("pixels")

    def patches(self, pixels: Any, kernel: Floats, shift: Floats) -> Any:
        """A product for each patch, because it rounds alike wherever the patch lies."""
        patch, across = kernel.shape[-1], self.item_shape[0] // kernel.shape[-1]
        used = slice(0, across * patch)
        inside = self._call(operator.getitem, pixels, (slice(None), used, used))
        parted = self._method("reshape", inside, (-1, across, patch, across, patch, 3))
        ordered = self._method("permute", parted, (0, 1, 3, 2, 4, 5))
        flat = self._method("reshape", ordered, (-1, across * across, patch * patch * 3))
        # pixels around zero are exact in 16 bits too, and nothing large cancels in the sum
        centred = self._call(operator.sub, self._method("to", flat, self._dtype), _MIDDLE)
        weight = kernel.transpose(0, 2, 3, 1).reshape(len(kernel), -1)
        bias = shift + _MIDDLE * weight.sum(axis=1, dtype=np.float64)
        return self.linear(centred, weight, bias.astype(np.float32))

    def rows(self, values: Floats) -> Any:
        """Constant tokens."""
        count = self._method("size", self._input, 0)
        return self._method("contiguous", self._method("expand", self._floats(values[None]), count, -1, -1))

    def join(self, first: Any, second: Any) -> Any:
        """Tokens after tokens."""
        return self._call(self._torch.cat, [first, second], 1)

    def add(self, first: Any, second: Any) -> Any:
        """A sum."""
        return self._call(operator.add, first, second)

    def shift(self, x: Any, values: Floats) -> Any:
        """A sum with an array."""
        return self._call(operator.add, x, self._floats(values))

    def norm(self, x: Any, gain: Floats, shift: Floats, epsilon: float) -> Any:
        """A layer norm."""
        constants = self._floats(gain), self._floats(shift)
        return self._call(self._functional.layer_norm, x, gain.shape, *constants, epsilon)

    def linear(self, x: Any, weight: Floats, bias: Floats) -> Any:
        """A product and a bias."""
        share = np.float32(self._shares.get(x, 1))
        arrays = self._floats(weight * share), self._floats(bias)
        node = self._graph.call_function(self._functional.linear, (x, *arrays))
        self._last = _Linear(node, x, weight, bias)
        return node

    def project(self, x: Any, weight: Floats) -> Any:
        """A product."""
        return self._call(self._functional.linear, x, self._floats(weight))

    def split(self, x: Any, parts: int) -> list[Any]:
        """Equal parts along the last axis."""
        together = self._call(self._torch.chunk, x, parts, -1)
        return [self._call(operator.getitem, together, part) for part in range(parts)]

    def attention(self, queries: Any, keys: Any, values: Any, heads: int, *, causal: bool = False) -> Any:
        """Attention, head by head."""

        def apart(value: Any) -> Any:
            return self._method("transpose", self._method("unflatten", value, -1, (heads, -1)), 1, 2)

        mixed = self._call(
            self._functional.scaled_dot_product_attention,
            *map(apart, (queries, keys, values)),
            is_causal=causal,
            scale=1.0,  # the queries are scaled already
        )
        return self._method("flatten", self._method("transpose", mixed, 1, 2), 2)

    def activate(self, x: Any, kind: Activation) -> Any:
        """An activation."""
        if kind == "quick_gelu":
            return self._quick_gelu(x)
        return self._call(self._functional.gelu, x, approximate="none" if kind == "gelu" else "tanh")

    def token(self, x: Any, index: int) -> Any:
        """One token."""
        return self._call(operator.getitem, x, (slice(None), slice(index, index + 1 or None)))

    def output(self, x: Any, width: int) -> None:
        """What the graph gives."""
        self.width = width
        self._graph.output(self._method("float", self._method("reshape", x, (-1, width))))

    def _given(self, name: str) -> Any:
        self._input = self._graph.placeholder(name)
        return self._input

    def _quick_gelu(self, x: Any) -> Any:
        """As `silu`, which is one kernel; the factor before it and that after it go into the layers on both sides."""
        if self._last is not None and self._last.node is x and not x.users:
            _, before, weight, bias = self._last
            self._erase(x)
            scaled = self.linear(before, weight * np.float32(_QUICK), bias * np.float32(_QUICK))
        else:
            scaled = self._call(operator.mul, x, _QUICK)
        bent = self._call(self._functional.silu, scaled)
        self._shares[bent] = 1 / _QUICK
        return bent

    def _call(self, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        return self._graph.call_function(function, tuple(map(self._whole, arguments)), named)

    def _method(self, name: str, *arguments: Any) -> Any:
        return self._graph.call_method(name, tuple(map(self._whole, arguments)))

    def _whole(self, value: Any) -> Any:
        """A value that may stand for a share of itself, or a list of such, as it is."""
        if isinstance(value, list):
            return [self._whole(one) for one in value]
        share = self._shares.get(value) if isinstance(value, import_module("torch.fx").Node) else None
        return value if share is None else self._graph.call_function(operator.mul, (value, share))

    def _floats(self, values: Floats) -> Any:
        name = f"array_{self._arrays}"
        self._arrays += 1
        held = self._torch.from_numpy(np.array(values, np.float32, order="C"))
        self._root.register_buffer(name, held.to(self._dtype).to(self._device))
        return self._graph.get_attr(name)

    def _erase(self, node: Any) -> None:
        """Take back a value that nothing uses, and its arrays."""
        arrays = [one for one in node.args if one.op == "get_attr"]
        for one in (node, *arrays):
            self._graph.erase_node(one)
        for one in arrays:
            delattr(self._root, one.target)

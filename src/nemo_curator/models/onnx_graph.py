"""A few lines over ONNX that let a model's graph be written like a forward pass."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

OPSET = 17
_IR = 8  # the oldest format that carries this opset, so that older runtimes read it too


class GraphWriter:
    """Writes nodes one after the other; every value is known by its name.

    Args:
        name: The graph's name.
        external: Keep the arrays of weights out of the graph; they are handed to the runtime when it is loaded.

    Attributes:
        outside: Name to array of everything that was kept out.
    """

    def __init__(self, name: str, *, external: bool = False) -> None:
        self._name = name
        self._external = external
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self._inputs: list[Any] = []
        self._count = 0
        self.outside: dict[str, npt.NDArray[Any]] = {}

    def input(self, name: str, dtype: type[np.generic], shape: tuple[str | int, ...]) -> str:
        """Declare an input; a string in `shape` names a dimension that varies."""
        from onnx import helper  # noqa: PLC0415  only building needs ONNX, running does not

        kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        self._inputs.append(helper.make_tensor_value_info(name, kind, shape))
        return name

    def constant(self, array: npt.ArrayLike, dtype: type[np.generic] = np.float32) -> str:
        """Store an array and return its name."""
        from onnx import TensorProto, helper, numpy_helper  # noqa: PLC0415

        value = np.ascontiguousarray(array, dtype).reshape(np.shape(array))
        name = self._fresh("c")
        if self._external and value.dtype in (np.float32, np.float16, np.int8) and value.ndim > 0:
            kind = helper.np_dtype_to_tensor_dtype(value.dtype)
            proto = TensorProto(name=name, data_type=kind, dims=value.shape)
            proto.data_location = TensorProto.EXTERNAL
            proto.external_data.add(key="location", value="handed-over-at-load")
            self.outside[name] = value
        else:
            proto = numpy_helper.from_array(value, name)
        self._constants.append(proto)
        return name

    def node(self, operator: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        """Apply an ONNX operator and return its output's name."""
        from onnx import helper  # noqa: PLC0415

        attributes = {name: _attribute(value) for name, value in attributes.items()}
        result = output or self._fresh("v")
        self._nodes.append(helper.make_node(operator, list(inputs), [result], **attributes))
        return result

    def nodes(self, operator: str, *inputs: str, count: int, **attributes: Any) -> list[str]:
        """Apply an ONNX operator that has several outputs, and return their names."""
        from onnx import helper  # noqa: PLC0415

        results = [self._fresh("v") for _ in range(count)]
        self._nodes.append(helper.make_node(operator, list(inputs), results, **attributes))
        return results

    def cast(self, name: str, dtype: type[np.generic]) -> str:
        """Numbers as those of another type."""
        from onnx import helper  # noqa: PLC0415

        return self.node("Cast", name, to=int(helper.np_dtype_to_tensor_dtype(np.dtype(dtype))))

    def to_float(self, name: str) -> str:
        """Any numbers as float32."""
        return self.cast(name, np.float32)

    def finish(self, outputs: dict[str, tuple[str | int, ...]]) -> bytes:
        """The serialised model.

        Args:
            outputs: Name of each float32 output to its shape.
        """
        from onnx import TensorProto, helper  # noqa: PLC0415

        declared = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs.items()]
        graph = helper.make_graph(self._nodes, self._name, self._inputs, declared, self._constants)
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=_IR, producer_name="imagecurator"
        )
        return bytes(model.SerializeToString(deterministic=True))

    def _fresh(self, prefix: str) -> str:
        self._count += 1
        return f"{prefix}{self._count}"


def _attribute(value: Any) -> Any:
    """An attribute as ONNX takes it: an array becomes a tensor."""
    if not isinstance(value, np.ndarray):
        return value
    from onnx import numpy_helper  # noqa: PLC0415

    return numpy_helper.from_array(value)


def pixels_to_channels_first(graph: GraphWriter, name: str) -> str:
    """uint8 (N, H, W, 3) to float32 (N, 3, H, W)."""
    # transposed while each pixel is still one byte
    return graph.to_float(graph.node("Transpose", name, perm=[0, 3, 1, 2]))


def unit_rows(graph: GraphWriter, name: str, output: str) -> str:
    """(N, D) scaled so that every row has an L2 norm of one; a row of zeros stays zero."""
    norm = graph.node("ReduceL2", name, axes=[1], keepdims=1)
    return graph.node("Div", name, graph.node("Max", norm, graph.constant(1e-12)), output=output)

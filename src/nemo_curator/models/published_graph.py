"""Published ONNX detectors, given an input of uint8 RGB pixels of any size."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from nemo_curator.errors import WeightsError


def rewrite_detector(
    original: bytes, outputs: Iterable[str], *, scale: float = 1.0, shift: float = 0.0, where: str = ""
) -> bytes:
    """A graph that takes BGR pixels of one size, as one that takes `pixels` uint8 RGB `(1, H, W, 3)`.

    Args:
        original: The serialised ONNX model: one input `(1, 3, H, W)` that a convolution reads.
        outputs: Names of the outputs to keep; shapes are not declared, because they vary with the picture.
        scale: What a pixel is multiplied with for the graph.
        shift: What is added then.
        where: Its file, for error messages.

    Raises:
        WeightsError: The file is no ONNX, is no such graph, or lacks an output.
    """
    import onnx  # noqa: PLC0415  only building needs ONNX, running does not
    from onnx import TensorProto, helper, numpy_helper  # noqa: PLC0415

    try:
        model = onnx.load_model_from_string(original)
    except Exception as error:  # protobuf's DecodeError, whose package has no types
        raise WeightsError(f"the file is no ONNX model: {error}", where=where, act="fetch it again") from error
    graph = model.graph
    _turn_first_kernels(graph, where)
    given = {output.name for output in graph.output}
    wanted = list(outputs)
    for name in wanted:
        if name not in given:
            raise WeightsError(
                f"the graph has no output {name!r}", where=where, cause="the file belongs to another model"
            )
    first = graph.input[0].name
    constants = [numpy_helper.from_array(np.array(v, np.float32), n) for n, v in (("scale", scale), ("shift", shift))]
    head = [
        helper.make_node("Transpose", ["pixels"], ["pixels_first"], perm=[0, 3, 1, 2]),
        helper.make_node("Cast", ["pixels_first"], ["pixels_float"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["pixels_float", "scale"], ["pixels_scaled"]),
        # not folded into the convolution, because its padding is of zeros after the shift
        helper.make_node("Add", ["pixels_scaled", "shift"], [first]),
    ]
    rewritten = helper.make_graph(
        [*head, *graph.node],
        "detector",
        [helper.make_tensor_value_info("pixels", TensorProto.UINT8, [1, "H", "W", 3])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in wanted],
        [*graph.initializer, *constants],
    )
    made = helper.make_model(rewritten, opset_imports=model.opset_import, ir_version=model.ir_version)
    return bytes(made.SerializeToString(deterministic=True))


def _turn_first_kernels(graph: Any, where: str) -> None:
    """Let every convolution that reads the input take its channels in the other order."""
    from onnx import numpy_helper  # noqa: PLC0415

    kernels = {one.name: one for one in graph.initializer}
    inputs = [one.name for one in graph.input if one.name not in kernels]
    readers = [node for node in graph.node if inputs and inputs[0] in node.input]
    if len(inputs) != 1 or not readers or any(node.op_type != "Conv" for node in readers):
        raise WeightsError("the graph does not begin with a convolution of one picture", where=where)
    for name in {node.input[1] for node in readers}:
        array = numpy_helper.to_array(kernels[name]) if name in kernels else np.empty(0)
        if array.ndim != 4 or array.shape[1] != 3:
            raise WeightsError("the graph's first convolution does not take three colours", where=where)
        kernels[name].CopyFrom(numpy_helper.from_array(array[:, ::-1].copy(), name))

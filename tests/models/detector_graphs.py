"""Detectors as small as can be, of the same form as the published ones: they see red."""

from __future__ import annotations

import numpy as np

from nemo_curator.models.onnx_graph import GraphWriter

RED = 2  # the third channel of BGR


def text_graph() -> bytes:
    """Input `x` `(1, 3, H, W)` from -1 to 1; a pixel is text where it is red and its neighbours have no say."""
    graph = GraphWriter("text")
    kernel = np.zeros((1, 3, 3, 3))
    kernel[0, :, 1, 1] = -4, -4, 8
    seen = graph.node(
        "Conv",
        graph.input("x", np.float32, ("N", 3, "H", "W")),
        graph.constant(kernel),
        graph.constant([-4]),
        pads=[1, 1, 1, 1],
    )
    graph.node("Sigmoid", seen, output="fetch_name_0")
    return graph.finish({"fetch_name_0": ("N", 1, "A", "B")})


def face_graph(sides: tuple[int, int] | tuple[str, str] = (640, 640), heads: tuple[str, ...] = ("cls", "obj")) -> bytes:
    """Input `input` `(1, 3, H, W)` from 0 to 255, of declared size; a red cell is a face as large as itself.

    Only the coarsest grid sees any, so that a face is found once, at 32 pixels.
    """
    graph = GraphWriter("faces")
    pixels = graph.input("input", np.float32, (1, 3, *sides))
    outputs: dict[str, tuple[str | int, ...]] = {}
    for stride in (8, 16, 32):
        for head, width in (("cls", 1), ("obj", 1), ("bbox", 4), ("kps", 10)):
            if head in {"cls", "obj"} and head not in heads:
                continue
            kernel, bias = np.zeros((width, 3, stride, stride)), np.zeros(width)
            if width == 1:
                kernel[0, RED] = 16 / 255 / stride**2
                kernel[0, :RED] = -16 / 255 / stride**2
                bias[0] = -10 if stride == 32 else -40
            if head == "bbox":
                bias[:2] = 0.5
            seen = graph.node(
                "Conv", pixels, graph.constant(kernel), graph.constant(bias),
                kernel_shape=[stride, stride], strides=[stride, stride],
            )  # fmt: skip
            seen = graph.node("Transpose", graph.node("Sigmoid", seen) if width == 1 else seen, perm=[0, 2, 3, 1])
            shape = graph.constant([1, -1, width], np.int64)
            graph.node("Reshape", seen, shape, output=f"{head}_{stride}")
            outputs[f"{head}_{stride}"] = (1, "K", width)
    return graph.finish(outputs)


def red_box(height: int, width: int, *box: int) -> np.ndarray:
    """A dark picture with a red box: left, top, right, bottom."""
    picture = np.full((height, width, 3), 20, np.uint8)
    left, top, right, bottom = box
    picture[top:bottom, left:right] = 250, 10, 10
    return picture

"""From a graph, or from a function that writes one, to a session of the runtime that was chosen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nemo_curator.models.numerics import Numerics
from nemo_curator.models.runtimes import openvino_session
from nemo_curator.models.runtimes.onnx_batches import OnnxBatches
from nemo_curator.models.runtimes.onnx_ops import OnnxOps
from nemo_curator.models.runtimes.onnx_session import OnnxSession
from nemo_curator.models.runtimes.session import Session
from nemo_curator.models.runtimes.torch_memory import BATCH
from nemo_curator.models.runtimes.torch_session import TorchSession
from nemo_curator.models.towers.ops import PictureOps, TextOps

PICTURES = 10
"""Pictures that a tower takes at once; divides the readers' hundred, and larger batches were no faster."""

_GRAPH_BATCH = 1  # activations of one picture stay in the cache


def open_tower(
    write: Callable[[PictureOps[Any]], None],
    numerics: Numerics,
    *,
    group: int,
    threads: int,
    where: str,
) -> Session:
    """A tower of pictures, ready to run; its output is called `embedding`.

    Args:
        write: Writes the tower, once.
        numerics: Runtime and precision.
        group: Numbers of a token that share a scale in int8; the last group of a layer's inputs may be shorter.
        threads: Threads that one run may use.
        where: The weight file, for error messages.

    Raises:
        WeightsError: The weights do not fit the tower, or the runtime refuses it.
        ModelError: The device cannot run it.
    """
    if numerics.runtime == "torch":
        return TorchSession(write, precision=numerics.precision, device=numerics.device, where=where)
    if numerics.device == "cuda":
        halves = OnnxOps(BATCH, half=numerics.precision == "fp16")
        write(halves)
        return OnnxBatches(halves.finish(), weights=halves.graph.outside, where=where)
    return _on_cpu(write, numerics, group=group, threads=threads, where=where, batch=PICTURES)


def open_text(
    write: Callable[[TextOps[Any]], None], numerics: Numerics, *, group: int, threads: int, where: str
) -> Session:
    """A tower of texts, ready to run on the CPU, one text at a time; its output is called `embedding`.

    Args:
        write: Writes the tower, once.
        numerics: Runtime (`openvino` or `onnxruntime`) and precision.
        group: As for `open_tower`.
        threads: Threads that one run may use.
        where: The weight file, for error messages.

    Raises:
        WeightsError: The weights do not fit the tower, or the runtime refuses it.
    """
    return _on_cpu(write, numerics, group=group, threads=threads, where=where, batch=1)


def _on_cpu(
    write: Callable[[Any], None], numerics: Numerics, *, group: int, threads: int, where: str, batch: int
) -> Session:
    whole_numbers = numerics.precision == "int8"
    if numerics.runtime == "openvino":
        model = openvino_session.written(write, batch, whole_numbers=whole_numbers)
        return openvino_session.OpenVinoSession(
            model, ("embedding",), threads=threads, precision=numerics.precision, group=group, where=where
        )
    ops = OnnxOps(whole_numbers=whole_numbers)
    write(ops)
    return OnnxSession(ops.finish(), threads=threads, weights=ops.graph.outside, where=where)


def open_graph(graph: bytes, numerics: Numerics, *, threads: int, where: str) -> Session:
    """An ONNX graph of pictures, ready to run.

    Args:
        graph: The serialised graph.
        numerics: Runtime and precision; no graph is run in int8, by torch or on CUDA (`numerics.usable` says so).
        threads: Threads that one run may use.
        where: What it was made from, for error messages.

    Raises:
        WeightsError: The runtime refuses the graph.
    """
    if numerics.runtime == "onnxruntime":
        return OnnxSession(graph, threads=threads, where=where)
    model, outputs = openvino_session.read(graph, _GRAPH_BATCH, where)
    return openvino_session.OpenVinoSession(model, outputs, threads=threads, precision=numerics.precision, where=where)

"""Running an ONNX graph on the CPU, such that an image's result does not depend on its neighbours.

ONNX Runtime picks other kernels for other batch sizes, and those round differently. Each image is therefore run by
itself: measured, that is also the faster way on a CPU, because the activations of one image stay in the cache.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from nemo_curator.errors import WeightsError

_CPU_INFO = Path("/proc/cpuinfo")
_VECTORS = {"avx512f": "avx512", "avx2": "avx2", "sse2": "sse"}  # flag to class, the widest first


def graph_libraries() -> dict[str, str]:
    """The versions of what builds and runs graphs, and the kind of CPU: the last bits of outputs depend on them."""
    return {name: version(name) for name in ("numpy", "onnx", "onnxruntime")} | {"cpu": cpu_class()}


def array_libraries() -> dict[str, str]:
    """The same for models that compute with NumPy alone."""
    return {"numpy": version("numpy"), "cpu": cpu_class()}


@cache
def cpu_class() -> str:
    """The machine, and on x86-64 the widest vector instructions that it has, such as `x86_64-avx512`.

    Kernels are chosen by these, and round differently. Where the system does not tell, the machine alone.
    """
    machine = platform.machine()
    if machine.lower() not in {"x86_64", "amd64"}:
        return machine
    try:
        lines = _CPU_INFO.read_text("utf-8", "replace").splitlines()
    except OSError:
        return "x86_64"
    flags = next((set(line.partition(":")[2].split()) for line in lines if line.startswith("flags")), set[str]())
    widest = next((name for flag, name in _VECTORS.items() if flag in flags), "")
    return f"x86_64-{widest}" if widest else "x86_64"


class GraphSession:
    """One loaded graph with one batched uint8 input.

    A session is owned by the process that made it and does not pickle; `run` may be called from several threads.

    Args:
        graph: A serialised ONNX model.
        threads: Threads that one run may use.
        weights: Arrays for the graph's external initialisers; kept alive as long as the session.
        where: What the graph was made from, for error messages.

    Raises:
        WeightsError: ONNX Runtime refuses the graph.
    """

    def __init__(
        self,
        graph: bytes,
        *,
        threads: int = 1,
        weights: Mapping[str, npt.NDArray[np.float32]] | None = None,
        where: str = "",
    ) -> None:
        # imported here, because it is heavy and only a process that runs models should pay for it
        ort: Any = import_module("onnxruntime")
        ort.disable_telemetry_events()
        ort.set_default_logger_severity(4)
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 4
        # waiting threads must not burn a core that decoding needs
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._held = _lend(ort, options, weights or {})
        try:
            self._session = ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime's errors share no public base
            raise WeightsError(f"ONNX Runtime cannot load the model: {error}", where=where) from error
        self._input = self._session.get_inputs()[0]
        self.outputs = tuple(output.name for output in self._session.get_outputs())

    @property
    def item_shape(self) -> tuple[int, ...]:
        """Shape of one input item, without the batch dimension."""
        return tuple(self._input.shape[1:])

    def run(self, batch: npt.NDArray[np.uint8], output: str) -> npt.NDArray[np.float32]:
        """The named output for every item of `batch`.

        Args:
            batch: uint8 `(N, *item_shape)`; N may be 0.
            output: Name of an output.

        Returns:
            float32 `(N, ...)`; row i depends on `batch[i]` alone.

        Raises:
            ValueError: `batch` has another type or shape.
        """
        if batch.dtype != np.uint8 or batch.shape[1:] != self.item_shape or batch.ndim != len(self.item_shape) + 1:
            raise ValueError(f"expected uint8 (N, {', '.join(map(str, self.item_shape))}), got {_describe(batch)}")
        index = self.outputs.index(output)
        trailing = tuple(self._session.get_outputs()[index].shape[1:])
        rows = np.empty((len(batch), *trailing), np.float32)
        for row, item in enumerate(batch):
            rows[row] = self._session.run([output], {self._input.name: np.ascontiguousarray(item)[None]})[0][0]
        return rows

    def run_one(self, item: npt.NDArray[np.uint8]) -> dict[str, npt.NDArray[np.float32]]:
        """All outputs for one item, whose size may be another than the last one's where the graph lets it vary.

        Args:
            item: uint8, of `item_shape`; a name in that stands for any size.

        Returns:
            Name of each output to float32 `(1, ...)`.

        Raises:
            ValueError: `item` has another type or shape.
        """
        shape = self.item_shape
        fits = item.ndim == len(shape) and all(
            size == side or isinstance(size, str) for size, side in zip(shape, item.shape, strict=True)
        )
        if item.dtype != np.uint8 or not fits or not item.size:
            raise ValueError(f"expected uint8 ({', '.join(map(str, shape))}), got {_describe(item)}")
        given = self._session.run(self.outputs, {self._input.name: np.ascontiguousarray(item)[None]})
        return dict(zip(self.outputs, given, strict=True))

    def __reduce__(self) -> NoReturn:
        raise TypeError("a loaded model does not pickle; send it to a worker before setup() and load it there")


def _lend(ort: Any, options: Any, weights: Mapping[str, npt.NDArray[np.float32]]) -> list[Any]:
    values = [ort.OrtValue.ortvalue_from_numpy(array) for array in weights.values()]
    if values:
        options.add_external_initializers(list(weights), values)
    return values


def _describe(array: npt.NDArray[Any]) -> str:
    return f"{array.dtype} ({', '.join(map(str, array.shape))})"

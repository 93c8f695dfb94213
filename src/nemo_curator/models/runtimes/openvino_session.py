"""Running a graph with OpenVINO on the CPU, such that an item's result does not depend on its neighbours.

Items are run in batches of a fixed size, the last one filled up. Measured on x86-64, a row then has the same bits
wherever it stands in a batch, whatever stands beside it, and for any size of batch and number of threads; tests hold
that. One request is made for a session, and a lock keeps threads from using it at once.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
import numpy.typing as npt

from nemo_curator.errors import WeightsError
from nemo_curator.models.runtimes.openvino_ops import OpenVinoOps
from nemo_curator.models.runtimes.session import check_batch, in_words

if TYPE_CHECKING:
    from collections.abc import Iterator

_TELEMETRY = "openvino_telemetry"
_IMPORTING = threading.Lock()  # two models may be loaded at once, and a module that is half there has no operators
_CORES: list[Any] = []  # one, once there is need of it
_HINTS = {"fp32": "f32", "bf16": "bf16", "int8": "bf16"}  # what is not in whole numbers runs in bf16 beside them


class OpenVinoSession:
    """One compiled graph with one batched input.

    Attributes:
        batch: Items that are computed at once.
        lanes: Calls that gain from going on at a time: one has all cores.

    Args:
        model: The graph, with one input of a fixed batch size.
        outputs: Names of its outputs.
        threads: Threads that one run may use.
        precision: `fp32`, `bf16` or `int8`.
        group: Numbers of a token that share a scale where products are computed in whole numbers.
        where: What the graph was made from, for error messages.

    Raises:
        WeightsError: OpenVINO refuses the graph.
    """

    lanes = 1

    def __init__(
        self, model: Any, outputs: tuple[str, ...], *, threads: int, precision: str, group: int = 0, where: str = ""
    ) -> None:
        self.outputs = outputs
        self._lock = threading.Lock()
        settings: dict[str, Any] = {
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
            "INFERENCE_PRECISION_HINT": _HINTS[precision],
            "ENABLE_CPU_PINNING": False,  # decoding wants these cores too
        }
        if precision == "int8":
            settings["DYNAMIC_QUANTIZATION_GROUP_SIZE"] = group
        try:
            compiled = _core().compile_model(model, "CPU", settings)
        except Exception as error:  # OpenVINO raises plain RuntimeErrors, of many causes
            raise WeightsError(f"OpenVINO cannot load the model: {error}", where=where) from error
        self._shape = tuple(side.get_length() if side.is_static else -1 for side in compiled.input(0).partial_shape)
        self.batch = self._shape[0]
        self._type = np.dtype(compiled.input(0).element_type.to_dtype()).type
        self._request = compiled.create_infer_request()

    @property
    def item_shape(self) -> tuple[int, ...]:
        """Shape of one input item, without the batch dimension; -1 stands for any size."""
        return self._shape[1:]

    def run(self, batch: npt.NDArray[Any], output: str) -> npt.NDArray[np.float32]:
        """The named output for every item of `batch`.

        Args:
            batch: `(N, *item_shape)` of the input's type; N may be 0.
            output: Name of an output.

        Returns:
            float32 `(N, ...)`; row i depends on `batch[i]` alone, to the last bit.

        Raises:
            ValueError: `batch` has another type or shape.
        """
        check_batch(batch, self._type, self.item_shape)
        index, size = self.outputs.index(output), self._shape[0]
        rows: list[npt.NDArray[np.float32]] = []
        with self._lock, in_words("OpenVINO"):
            for start in range(0, len(batch), size):
                items = batch[start : start + size]
                given = self._request.infer([_filled(items, size)], share_inputs=True)
                rows.append(np.array(given[index][: len(items)], np.float32))
            if not rows:
                rows.append(np.empty((0, *self._request.get_output_tensor(index).shape[1:]), np.float32))
        return np.concatenate(rows)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a loaded model does not pickle; send it to a worker before setup() and load it there")


def written(write: Callable[[OpenVinoOps], None], batch: int, *, whole_numbers: bool) -> Any:
    """The graph of a tower over batches of a size.

    Args:
        write: Writes the tower.
        batch: The size.
        whole_numbers: As `OpenVinoOps` has it.
    """
    ov = openvino()
    ops = OpenVinoOps(ov.opset13, batch, whole_numbers=whole_numbers)
    write(ops)
    return ov.Model([one.output(0) for one in ops.outputs], ops.inputs)


def read(graph: bytes, batch: int, where: str) -> tuple[Any, tuple[str, ...]]:
    """An ONNX graph with one input over batches of a size, and the names of its outputs.

    Raises:
        WeightsError: OpenVINO cannot read it.
    """
    try:
        model = _core().read_model(graph)
        shape = model.input(0).partial_shape
        shape[0] = batch
        model.reshape(shape)
    except Exception as error:  # OpenVINO raises plain RuntimeErrors, of many causes
        raise WeightsError(f"OpenVINO cannot read the model: {error}", where=where) from error
    return model, tuple(one.get_any_name() for one in model.outputs)


def openvino() -> Any:
    """The package, imported so that its telemetry is not.

    Its converter, which we have no use for, reports to its makers by `openvino_telemetry`; where that cannot be
    imported it takes a stand-in that sends nothing.
    """
    with _IMPORTING, _hidden(_TELEMETRY, sys.modules):
        return import_module("openvino")


def _core() -> Any:
    """What reads and compiles graphs: one for the process, which is never given up.

    With it would go the code for the CPU, and with that the stack for signal handlers that it gave the thread in which
    it was loaded. Given up in another thread, the next signal, as Ctrl-C is one, would end the process without a word.
    """
    ov = openvino()
    with _IMPORTING:
        if not _CORES:
            _CORES.append(ov.Core())
    return _CORES[0]


@contextmanager
def _hidden(name: str, modules: Mapping[str, Any]) -> Iterator[None]:
    if "openvino" in modules or name in modules:  # it is there already, or was imported by the user
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment]  # which makes an import of it fail
    try:
        yield
    finally:
        del sys.modules[name]


def _filled(items: npt.NDArray[Any], size: int) -> npt.NDArray[Any]:
    if len(items) == size:
        return np.ascontiguousarray(items)
    filled = np.zeros((size, *items.shape[1:]), items.dtype)
    filled[: len(items)] = items
    return filled

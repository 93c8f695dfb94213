"""Running an ONNX graph with ONNX Runtime on the CPU, such that an item's result does not depend on its neighbours.

ONNX Runtime picks other kernels for other batch sizes, and those round differently. Each item is therefore run by
itself: measured, that is also the faster way on a CPU, because the activations of one image stay in the cache. Several
threads run several items at once, each by itself: threads that share one item wait for each other at every layer.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from nemo_curator.errors import WeightsError
from nemo_curator.models.runtimes.onnx_runtime import onnxruntime
from nemo_curator.models.runtimes.session import check_batch, described, in_words

TYPES: dict[str, type[np.generic]] = {"tensor(uint8)": np.uint8, "tensor(float)": np.float32}
"""Types of inputs, by ONNX Runtime's names for them."""


class OnnxSession:
    """One loaded graph with one batched input of uint8 or float32.

    A session is owned by the process that made it and does not pickle; `run` may be called from several threads.

    Attributes:
        batch: Items that are computed at once: one.
        lanes: Calls that gain from going on at a time: one has all cores.

    Args:
        graph: A serialised ONNX model.
        threads: Threads that one run may use.
        weights: Arrays for the graph's external initialisers; kept alive as long as the session.
        where: What the graph was made from, for error messages.

    Raises:
        WeightsError: ONNX Runtime refuses the graph.
    """

    batch = 1
    lanes = 1

    def __init__(
        self,
        graph: bytes,
        *,
        threads: int = 1,
        weights: Mapping[str, npt.NDArray[Any]] | None = None,
        where: str = "",
    ) -> None:
        ort = onnxruntime()
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 4
        # waiting threads must not burn a core that decoding needs
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._held = lend(ort, options, weights or {})
        try:
            self._session = ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime's errors share no public base
            raise WeightsError(f"ONNX Runtime cannot load the model: {error}", where=where) from error
        self._input = self._session.get_inputs()[0]
        self.outputs = tuple(output.name for output in self._session.get_outputs())
        self._pool = ThreadPoolExecutor(threads, "onnx") if threads > 1 else None

    @property
    def item_shape(self) -> tuple[int, ...]:
        """Shape of one input item, without the batch dimension; a name stands for any size."""
        return tuple(self._input.shape[1:])

    def run(self, batch: npt.NDArray[Any], output: str) -> npt.NDArray[np.float32]:
        """The named output for every item of `batch`.

        Args:
            batch: `(N, *item_shape)` of the input's type; N may be 0.
            output: Name of an output.

        Returns:
            float32 `(N, ...)`; row i depends on `batch[i]` alone.

        Raises:
            ValueError: `batch` has another type or shape.
        """
        check_batch(batch, TYPES[self._input.type], self.item_shape)
        index = self.outputs.index(output)
        trailing = tuple(self._session.get_outputs()[index].shape[1:])
        rows = np.empty((len(batch), *trailing), np.float32)

        def run_into(row: int) -> None:
            item = np.ascontiguousarray(batch[row])[None]
            rows[row] = self._session.run([output], {self._input.name: item})[0][0]

        with in_words("ONNX Runtime"):
            for _ in (self._pool.map if self._pool else map)(run_into, range(len(batch))):
                pass
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
            raise ValueError(f"expected uint8 ({', '.join(map(str, shape))}), got {described(item)}")
        with in_words("ONNX Runtime"):
            given = self._session.run(self.outputs, {self._input.name: np.ascontiguousarray(item)[None]})
        return dict(zip(self.outputs, given, strict=True))

    def __reduce__(self) -> NoReturn:
        raise TypeError("a loaded model does not pickle; send it to a worker before setup() and load it there")


def lend(ort: Any, options: Any, weights: Mapping[str, npt.NDArray[Any]]) -> list[Any]:
    """Hand arrays over as a graph's external initialisers; what is returned keeps them alive."""
    values = [ort.OrtValue.ortvalue_from_numpy(array) for array in weights.values()]
    if values:
        options.add_external_initializers(list(weights), values)
    return values

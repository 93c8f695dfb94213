"""Running a tower with ONNX Runtime on a CUDA device, in batches of one fixed size that stay in place.

The input and the output have their place on the device for the session's life, so that nothing is allocated for a
batch. Products of 32-bit floats are that (no TF32), and no kernel is chosen by timing. TensorRT, which ONNX Runtime can
use too, is not: it builds an engine from what it measures on the spot, and the next one may round differently.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from nemo_curator.errors import ModelError, WeightsError
from nemo_curator.models.runtimes.onnx_runtime import onnxruntime
from nemo_curator.models.runtimes.onnx_session import TYPES, lend
from nemo_curator.models.runtimes.session import check_batch, in_words

CUDA = "CUDAExecutionProvider"

_SETTINGS: dict[str, dict[str, str]] = {
    CUDA: {
        "use_tf32": "0",
        "cudnn_conv_algo_search": "HEURISTIC",
        "arena_extend_strategy": "kSameAsRequested",  # no more memory than is used
    }
}


class OnnxBatches:
    """One loaded graph with one batched input; a lock keeps threads from using it at once.

    Attributes:
        batch: Items that are computed at once.
        lanes: Calls that gain from going on at a time: one.

    Args:
        graph: A serialised ONNX model with one input of a fixed batch size and one output.
        weights: Arrays for the graph's external initialisers; kept alive as long as the session.
        provider: What ONNX Runtime computes with.
        where: What the graph was made from, for error messages.

    Raises:
        ModelError: This build of ONNX Runtime, or this machine, lacks the provider.
        WeightsError: ONNX Runtime refuses the graph.
    """

    lanes = 1

    def __init__(
        self, graph: bytes, *, weights: Mapping[str, npt.NDArray[Any]], provider: str = CUDA, where: str = ""
    ) -> None:
        ort = onnxruntime()
        if provider not in ort.get_available_providers():
            raise _unavailable(provider, "this build of ONNX Runtime is without it", where)
        options = ort.SessionOptions()
        options.log_severity_level = 4
        options.use_deterministic_compute = True
        self._held = lend(ort, options, weights)
        try:
            self._session = ort.InferenceSession(graph, options, providers=[(provider, _SETTINGS.get(provider, {}))])
        except Exception as error:  # ONNX Runtime's errors share no public base
            raise WeightsError(f"ONNX Runtime cannot load the model: {error}", where=where) from error
        if self._session.get_providers()[0] != provider:  # it takes the CPU instead, without a word
            raise _unavailable(provider, "a library of CUDA or cuDNN that it needs is missing, or too old", where)
        self._place(ort, "cuda" if provider == CUDA else "cpu")

    def _place(self, ort: Any, device: str) -> None:
        given, made = self._session.get_inputs()[0], self._session.get_outputs()[0]
        self.outputs = (made.name,)
        self._shape, self._type = tuple(given.shape), TYPES[given.type]
        self.batch = self._shape[0]
        self._lock = threading.Lock()
        place = ort.OrtValue.ortvalue_from_shape_and_type
        self._input = place(list(self._shape), self._type, device, 0)
        self._output = place(list(made.shape), np.float32, device, 0)
        self._binding = self._session.io_binding()
        self._binding.bind_ortvalue_input(given.name, self._input)
        self._binding.bind_ortvalue_output(made.name, self._output)

    @property
    def item_shape(self) -> tuple[int, ...]:
        """Shape of one input item, without the batch dimension."""
        return self._shape[1:]

    def run(self, batch: npt.NDArray[Any], output: str) -> npt.NDArray[np.float32]:
        """The output for every item of `batch`.

        Args:
            batch: `(N, *item_shape)` of the input's type; N may be 0.
            output: Its name.

        Returns:
            float32 `(N, ...)`; row i depends on `batch[i]` alone.

        Raises:
            ValueError: `batch` has another type or shape, or there is no such output.
        """
        check_batch(batch, self._type, self.item_shape)
        if output not in self.outputs:
            raise ValueError(f"the model has no output {output!r}")
        size = self._shape[0]
        filled = np.zeros(self._shape, self._type)
        rows = np.empty((len(batch), *self._output.shape()[1:]), np.float32)
        with self._lock, in_words("ONNX Runtime"):
            for start in range(0, len(batch), size):
                items = batch[start : start + size]
                filled[: len(items)], filled[len(items) :] = items, 0
                self._input.update_inplace(filled)
                self._session.run_with_iobinding(self._binding)
                rows[start : start + size] = self._output.numpy()[: len(items)]
        return rows

    def __reduce__(self) -> NoReturn:
        raise TypeError("a loaded model does not pickle; send it to a worker before setup() and load it there")


def _unavailable(provider: str, cause: str, where: str) -> ModelError:
    return ModelError(
        f"ONNX Runtime cannot compute with {provider} here",
        where=where,
        cause=cause,
        act="put the package onnxruntime-gpu in the place of onnxruntime, and CUDA and cuDNN of the versions that it"
        " names, or choose another runtime",
    )

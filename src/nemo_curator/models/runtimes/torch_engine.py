"""A tower on a CUDA device: recorded once as a CUDA graph, and fed through pinned memory.

What is recorded are the same kernels that torch launches one by one, in the same order, so a device or a driver that
refuses to record gives the same bits, only later. Nothing is chosen by timing, and nothing is compiled.

Streams: one copies to the device, one computes and copies the rows back; events keep them in step. Owner: the threads
that borrow a lane. A lane's memory belongs to its borrower; what all lanes share is used under the engine's lock.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt
from loguru import logger

_ROUNDS = 2  # in which libraries choose their kernels and take their memory, which cannot happen while recording
_SETTINGS = threading.Lock()  # torch's settings are the process's, and it records one graph at a time
_PRODUCTS = "cublaslt"  # the library that can be told not to split a sum; the other one refuses to be told


class CudaEngine:
    """Computes batches of one size, one after the other.

    Args:
        torch: The package.
        module: A batch in, rows of float32 out; its arrays are on the device.
        sample: An array of zeros of the batch's shape and type.
        device: Where it computes.
        cuda: What makes streams, events and graphs; None means `torch.cuda`.

    Attributes:
        recorded: Whether the device took the graph.
    """

    def __init__(
        self, torch: Any, module: Any, sample: npt.NDArray[Any], *, device: str = "cuda", cuda: Any = None
    ) -> None:
        self._torch = torch
        self._cuda = cuda or torch.cuda
        self._module = module
        self._sample = sample
        self._device = device
        self._lock = threading.Lock()
        self._cuda.synchronize()  # the arrays were put there by another stream, and ours do not wait for that one
        self._copying, self._computing = self._cuda.Stream(), self._cuda.Stream()
        with exact(torch), torch.inference_mode():
            with self._cuda.stream(self._computing):
                self._input = torch.zeros(sample.shape, dtype=torch.from_numpy(sample).dtype, device=device)
                for _ in range(_ROUNDS):
                    self._output = module(self._input)
            self._computing.synchronize()
            self._graph = self._record()
        self.recorded = self._graph is not None

    def lane(self) -> CudaLane:
        """Room for one more batch that is under way."""
        return CudaLane(self._torch, self._cuda, self._sample, self._output, self._device)

    def submit(self, lane: CudaLane) -> None:
        """Copy a lane's batch to the device, compute it, and copy its rows back; nothing here is waited for."""
        with self._lock, self._torch.inference_mode():
            with self._cuda.stream(self._copying):
                lane.there.copy_(lane.here, non_blocking=True)
                lane.copied.record(self._copying)
            with self._cuda.stream(self._computing):
                self._computing.wait_event(lane.copied)
                self._input.copy_(lane.there, non_blocking=True)
                lane.rows.copy_(self._computed(), non_blocking=True)
                lane.done.record(self._computing)

    def repeat(self, times: int) -> None:
        """Compute the batch that lies on the device so many times, and wait for it: the bare model, for measuring."""
        with self._lock, self._torch.inference_mode(), self._cuda.stream(self._computing):
            for _ in range(times):
                self._computed()
            self._computing.synchronize()

    def _computed(self) -> Any:
        if self._graph is None:
            with exact(self._torch):
                return self._module(self._input)
        self._graph.replay()
        return self._output

    def _record(self) -> Any:
        graph = self._cuda.CUDAGraph()
        try:
            with self._cuda.graph(graph, stream=self._computing, capture_error_mode="thread_local"):
                self._output = self._module(self._input)
        except self._torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            reason = str(error).partition("\n")[0]
            logger.warning("the device does not record the model ({}); its kernels are launched one by one", reason)
            self._computing = self._cuda.Stream()  # the other one may be left in the middle of a recording
            return None
        return graph


class CudaLane:
    """A batch on its way: pinned memory for it and its rows, and its place on the device.

    Attributes:
        here: The batch in pinned memory.
        there: The batch on the device.
        rows: Its rows in pinned memory.
        copied: When it has reached the device.
        done: When its rows are back.
    """

    def __init__(self, torch: Any, cuda: Any, sample: npt.NDArray[Any], output: Any, device: str) -> None:
        pinned = device != "cpu"
        kind = torch.from_numpy(sample).dtype
        self.here = torch.zeros(sample.shape, dtype=kind, pin_memory=pinned)
        self.there = torch.empty(sample.shape, dtype=kind, device=device)  # nothing is written but by our streams
        self.rows = torch.zeros(output.shape, dtype=torch.float32, pin_memory=pinned)
        self.copied = cuda.Event()
        self.done = cuda.Event(blocking=True)  # who waits sleeps, because decoding wants the core
        self._host = self.here.numpy()

    def fill(self, items: npt.NDArray[Any]) -> None:
        """Put items first in the batch, and nothing behind them."""
        self._host[: len(items)] = items
        self._host[len(items) :] = 0

    def result(self) -> npt.NDArray[np.float32]:
        """Wait for the rows; they stay until the lane is filled again."""
        self.done.synchronize()
        rows: npt.NDArray[np.float32] = self.rows.numpy()
        return rows


@contextmanager
def exact(torch: Any) -> Iterator[None]:
    """Within: products of 32-bit floats are that, sums of 16-bit floats are in 32 bits and in one piece.

    Attention is by kernels that look at one picture and head at a time. All is as it was afterwards.
    """
    attention = import_module("torch.nn.attention")
    kinds = attention.SDPBackend
    with _SETTINGS:
        before = _apply(torch, _wanted(torch))
        try:
            library = _prefer(torch, _PRODUCTS)
            try:
                with attention.sdpa_kernel([kinds.FLASH_ATTENTION, kinds.EFFICIENT_ATTENTION, kinds.MATH]):
                    yield
            finally:
                _prefer(torch, library)
        finally:
            _apply(torch, before)


def _wanted(torch: Any) -> dict[str, Any]:
    matmul = torch.backends.cuda.matmul
    wanted: dict[str, Any] = {"fp32_precision": "ieee"} if hasattr(matmul, "fp32_precision") else {"allow_tf32": False}
    for kind in ("bf16", "fp16"):
        wanted[f"allow_{kind}_reduced_precision_reduction"] = (
            (False, False) if hasattr(matmul, f"allow_{kind}_reduced_precision_reduction_split_k") else False
        )
    if hasattr(matmul, "allow_fp16_accumulation"):
        wanted["allow_fp16_accumulation"] = False
    return wanted


def _apply(torch: Any, settings: dict[str, Any]) -> dict[str, Any]:
    """Change settings, and return what they were."""
    matmul = torch.backends.cuda.matmul
    before: dict[str, Any] = {}
    for name, value in settings.items():
        before[name] = getattr(matmul, name)
        if isinstance(value, tuple):
            before[name] = (before[name], getattr(matmul, f"{name}_split_k"))
        setattr(matmul, name, value)
    return before


def _prefer(torch: Any, library: Any) -> Any:
    """Have products made by a library, and return which one made them; without CUDA there is no choice."""
    if not torch.version.cuda:
        return None
    before = torch.backends.cuda.preferred_blas_library()
    torch.backends.cuda.preferred_blas_library(library)
    return before

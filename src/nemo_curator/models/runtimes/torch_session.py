"""Running a tower with torch, on a CUDA device or, to compare, on the CPU.

Items are run in batches of one fixed size, the last one filled up, because torch's libraries choose other kernels for
other sizes, and those round differently. On CUDA two batches are under way at a time: one is filled and copied to the
device while the other is computed, within one call and across the calls of several threads.
"""

from __future__ import annotations

import queue
from collections import deque
from collections.abc import Callable
from typing import Any, NoReturn, Protocol

import numpy as np
import numpy.typing as npt

from nemo_curator._optional import require
from nemo_curator.errors import ModelError
from nemo_curator.models.runtimes.session import check_batch
from nemo_curator.models.runtimes.torch_engine import CudaEngine, exact
from nemo_curator.models.runtimes.torch_memory import fitting, held_bytes, live_bytes
from nemo_curator.models.runtimes.torch_ops import TorchOps

_LANES = 2
_DTYPES = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}

Rows = npt.NDArray[np.float32]


class Lane(Protocol):
    """Room for one batch that is under way."""

    def start(self, items: npt.NDArray[Any]) -> None:
        """Begin to compute items, at most a batch of them."""

    def finish(self) -> Rows:
        """Wait for their rows, first in what is returned; it stays until the next start."""


class TorchSession:
    """One tower with one batched input; `run` may be called from several threads.

    Args:
        write: Writes the tower, once.
        precision: `fp32`, `bf16` or `fp16`.
        device: `cuda` or `cpu`.
        batch: Items computed at once; None means as many as `fitting` says on CUDA, and one on the CPU.
        where: The weight file, for error messages.

    Attributes:
        batch: Items computed at once.
        lanes: Calls that may go on at a time without waiting for each other.
        engine: What computes on CUDA; None on the CPU.

    Raises:
        MissingExtraError: torch is not installed.
        WeightsError: The weights do not fit the tower.
        ModelError: The device has no room for the model, or cannot run it.
    """

    def __init__(
        self,
        write: Callable[[TorchOps], None],
        *,
        precision: str,
        device: str,
        batch: int | None = None,
        where: str = "",
    ) -> None:
        torch: Any = require("torch", extra="torch", purpose="a model on CUDA")
        if device == "cuda" and not torch.cuda.is_available():
            raise ModelError(
                "torch finds no CUDA device",
                where=where,
                cause="it was built without CUDA, or for another CUDA than the driver's",
                act="install a torch for the CUDA that `nvidia-smi` names, or choose another runtime",
            )
        ops = TorchOps(torch, dtype=getattr(torch, _DTYPES[precision]), device=device)
        self.engine: CudaEngine | None = None
        try:
            write(ops)
            self._module = ops.finish()
            lanes = self._on_cuda(torch, ops, batch) if device == "cuda" else self._on_cpu(torch, ops, batch)
        except torch.OutOfMemoryError as error:
            raise _no_room(torch, where) from error
        except RuntimeError as error:  # what torch raises when a driver is too old, or a device
            raise ModelError(f"torch cannot run the model: {str(error).splitlines()[0]}", where=where) from error
        self._shape, self._type, self._width = ops.item_shape, ops.input_type, ops.width
        self.lanes = len(lanes)
        self._free: queue.LifoQueue[Lane] = queue.LifoQueue()
        for lane in lanes:
            self._free.put(lane)

    def _on_cuda(self, torch: Any, ops: TorchOps, batch: int | None) -> list[Lane]:
        if batch is None:
            one = torch.zeros((1, *ops.item_shape), dtype=getattr(torch, np.dtype(ops.input_type).name), device="cuda")
            with exact(torch):
                each = live_bytes(self._module, one)
            batch = fitting(torch.cuda.mem_get_info()[1], held_bytes(self._module), each)
        self.batch = batch
        self.engine = CudaEngine(torch, self._module, np.zeros((batch, *ops.item_shape), ops.input_type))
        return [_CudaLane(self.engine) for _ in range(_LANES)]

    def _on_cpu(self, torch: Any, ops: TorchOps, batch: int | None) -> list[Lane]:
        # alone, because MKL rounds products in fp32 differently from place to place in a batch (seen with ViT-L/14)
        self.batch = batch or 1
        return [_CpuLane(torch, self._module, np.zeros((self.batch, *ops.item_shape), ops.input_type))]

    @property
    def item_shape(self) -> tuple[int, ...]:
        """Shape of one input item, without the batch dimension."""
        return self._shape

    def run(self, batch: npt.NDArray[Any], output: str = "embedding") -> Rows:
        """The output for every item of `batch`.

        Args:
            batch: `(N, *item_shape)` of the input's type; N may be 0.
            output: There is one, `embedding`.

        Returns:
            float32 `(N, width)`; row i depends on `batch[i]` alone, to the last bit.

        Raises:
            ValueError: `batch` has another type or shape.
            ModelError: The device failed.
        """
        check_batch(batch, self._type, self.item_shape)
        if output != "embedding":
            raise ValueError(f"the model has no output {output!r}")
        rows = np.empty((len(batch), self._width), np.float32)
        going: deque[tuple[Lane, Rows]] = deque()
        try:
            for start in range(0, len(batch), self.batch):
                lane = self._borrowed(going)
                going.append((lane, rows[start : start + self.batch]))
                lane.start(batch[start : start + self.batch])
            while going:
                self._collect(going)
        except RuntimeError as error:
            raise ModelError(f"torch failed to run the model: {str(error).splitlines()[0]}") from error
        finally:
            for lane, _ in going:
                self._free.put(lane)
        return rows

    def _borrowed(self, going: deque[tuple[Lane, Rows]]) -> Lane:
        """A lane that is free. One's own batches are finished first, so that nobody waits while others wait for him."""
        while True:
            try:
                return self._free.get_nowait()
            except queue.Empty:
                if not going:
                    return self._free.get()
                self._collect(going)

    def _collect(self, going: deque[tuple[Lane, Rows]]) -> None:
        """Wait for the rows of the batch that went first."""
        lane, rows = going[0]
        rows[...] = lane.finish()[: len(rows)]
        going.popleft()
        self._free.put(lane)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a loaded model does not pickle; send it to a worker before setup() and load it there")


class _CudaLane:
    def __init__(self, engine: CudaEngine) -> None:
        self._engine = engine
        self._lane = engine.lane()

    def start(self, items: npt.NDArray[Any]) -> None:
        self._lane.fill(items)
        self._engine.submit(self._lane)

    def finish(self) -> Rows:
        return self._lane.result()


class _CpuLane:
    def __init__(self, torch: Any, module: Any, room: npt.NDArray[Any]) -> None:
        self._torch = torch
        self._module = module
        self._room = room
        self._rows: Rows = np.empty((0, 0), np.float32)

    def start(self, items: npt.NDArray[Any]) -> None:
        self._room[: len(items)] = items
        self._room[len(items) :] = 0
        with self._torch.inference_mode():
            self._rows = self._module(self._torch.from_numpy(self._room)).numpy()

    def finish(self) -> Rows:
        return self._rows


def _no_room(torch: Any, where: str) -> ModelError:
    free, total = torch.cuda.mem_get_info()
    return ModelError(
        f"the CUDA device has no room for the model: {free / 1e9:.1f} of its {total / 1e9:.1f} GB are free",
        where=where,
        cause="another program uses it",
        act="free memory there, or choose a smaller model or the CPU",
    )

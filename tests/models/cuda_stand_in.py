"""What `torch.cuda` offers to `CudaEngine`, on the CPU: work is done when it is asked for, graphs are really recorded.

A graph here is the list of torch's operations between its beginning and its end, with the very tensors they read and
made. To replay it is to do them again into the same tensors, which is what a CUDA graph does with addresses.
"""

from __future__ import annotations

from contextlib import contextmanager, nullcontext

import torch
from torch.utils._python_dispatch import TorchDispatchMode


class Stream:
    """Work on it is done at once; what waited for what is written down."""

    def __init__(self):
        """Nothing was waited for yet."""
        self.waited = []

    def synchronize(self):
        """Nothing is left to do."""

    def wait_event(self, event):
        """Remember the event; one that nobody recorded would be waited for in vain."""
        assert event.recorded
        self.waited.append(event)


class Event:
    """A mark on a stream."""

    def __init__(self, *, blocking=False):
        """Not recorded yet."""
        self.blocking = blocking
        self.recorded = 0

    def record(self, stream):
        """The stream has come here."""
        assert isinstance(stream, Stream)
        self.recorded += 1

    def synchronize(self):
        """Waiting for a mark that nobody set is a mistake."""
        assert self.recorded


class _Recorder(TorchDispatchMode):
    """Writes operations down while they are done."""

    def __init__(self, steps):
        """Write to a list."""
        super().__init__()
        self._steps = steps

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        made = function(*args, **(kwargs or {}))
        self._steps.append((function, args, kwargs or {}, made))
        return made


class CUDAGraph:
    """Recorded operations."""

    def __init__(self):
        """Nothing recorded yet."""
        self.steps = []
        self.replays = 0

    def replay(self):
        """Do them again, into the tensors of the first time."""
        self.replays += 1
        for function, args, kwargs, made in self.steps:
            again = function(*args, **kwargs)
            if isinstance(made, torch.Tensor) and made.data_ptr() != again.data_ptr():
                made.copy_(again)


class Cuda:
    """A namespace like `torch.cuda`.

    Args:
        refuses: The error that recording fails with; None where it works.
    """

    Stream, Event, CUDAGraph = Stream, Event, CUDAGraph

    def __init__(self, refuses=None):
        """A device that records, or refuses to."""
        self.refuses = refuses

    @staticmethod
    def synchronize():
        """Everything is done already."""

    @staticmethod
    def stream(stream):
        """All streams do their work at once, so nothing has to be chosen."""
        assert isinstance(stream, Stream)
        return nullcontext()

    @contextmanager
    def graph(self, graph, *, stream, capture_error_mode):
        """Record what is done inside."""
        assert isinstance(stream, Stream)
        assert capture_error_mode == "thread_local"
        with _Recorder(graph.steps):
            yield
            if self.refuses:
                raise self.refuses

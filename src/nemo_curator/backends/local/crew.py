"""The workers of a command: started when they are needed, or ahead of that, so that they are ready when it is.

A worker's imports take a few tenths of a second. What its stages are is known only when the run is planned, for which
the command imports even more; a worker that is started before that imports at the same time, on another core.

Owned by the supervisor's thread alone, which is the command's own.
"""

from __future__ import annotations

import contextlib
import socket
from collections import deque
from collections.abc import Sequence
from importlib import import_module
from types import TracebackType
from typing import Self

from nemo_curator.backends.local.process import WorkerProcess


class Crew:
    """Starts workers, and keeps those that nobody has taken yet. A context manager.

    Args:
        modules: What a worker that is started ahead imports while it waits, beside what every worker needs; what is
            not installed is left out.
        later: What the command itself needs when the workers are through. It is imported while they work.

    Attributes:
        calls: The end of the desk that workers inherit: they leave their calls there for an inference process, if one
            is ever started.
        desk: The other end, for the inference process and for all that may follow it.
    """

    def __init__(self, modules: Sequence[str] = (), later: Sequence[str] = ()) -> None:
        self._modules = tuple(modules)
        self._later = deque(later)
        self._waiting: deque[WorkerProcess] = deque()
        self.calls, self.desk = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)

    def __enter__(self) -> Self:
        """Nothing is started yet."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End those that nobody took."""
        self.close()

    def start_ahead(self, count: int) -> None:
        """Start workers that will be taken soon, up to so many in all."""
        while len(self._waiting) < count:
            self._waiting.append(WorkerProcess(self.calls.fileno(), self._modules))

    def take(self) -> WorkerProcess:
        """A worker for whoever asks: one that waits, or a new one."""
        return self._waiting.popleft() if self._waiting else WorkerProcess(self.calls.fileno())

    def use_the_moment(self) -> None:
        """Nobody has anything to say just now: import one module of those that are needed later."""
        if self._later:
            with contextlib.suppress(Exception):  # whoever needs it will say what is wrong with it
                import_module(self._later.popleft())

    def dismiss(self) -> None:
        """End those that nobody took: there is nothing more for them to do, and what follows needs their memory."""
        for worker in self._waiting:
            worker.kill()
        while self._waiting:
            self._waiting.popleft().bury()

    def close(self) -> None:
        """End those that nobody took, once or more often."""
        self.dismiss()
        self.calls.close()
        self.desk.close()

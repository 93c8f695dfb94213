"""One worker as the supervisor sees it: a process, a socket, and the page that tells what it works on.

Owned by the supervisor's thread alone.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

from nemo_curator.backends.local.child import Child
from nemo_curator.backends.local.heartbeat import Memory
from nemo_curator.backends.local.messages import Start, Stop
from nemo_curator.backends.local.position import Position

if TYPE_CHECKING:  # a worker that is started ahead is not to wait for what its tasks are made of
    from nemo_curator.backends.local.assignment import Assignment

# One thread a worker for every numeric library: workers are the parallelism, and a sum over threads would depend
# on how many there are.
_THREADS = 1


class WorkerProcess:
    """A started worker. It imports what workers need, and waits to be told what to run (`begin`).

    Args:
        desk: Descriptor by which it reaches an inference process, if there will be one.
        modules: What it imports besides; what is not installed is left out.

    Attributes:
        id: Its name in messages; "" before `begin`.
        on_node: Whether it is the one that prepares the host.
        channel: The socket to it.
        position: What it works on.
        ready: Whether its stages are set up.
        assignment: The partition it was given, or None while it is idle.
    """

    def __init__(self, desk: int, modules: Sequence[str] = ()) -> None:
        self.id = ""
        self.on_node = False
        self.ready = False
        self.assignment: Assignment | None = None
        with contextlib.ExitStack() as opened:  # what must not leak when a process cannot be started
            ours, theirs = (opened.enter_context(one) for one in socket.socketpair())
            page = Position.make_descriptor()
            opened.callback(os.close, page)
            self.position = Position(page)
            self._child = Child("nemo_curator.backends.local.worker", (theirs.fileno(), page, desk), _THREADS, *modules)
            self.channel = Connection(ours.detach())

    def begin(self, start: Start) -> None:
        """Tell it what to run."""
        self.id, self.on_node = start.worker_id, start.on_node
        self.tell(start)

    def tell(self, message: Any) -> None:
        """Send a message; that it is dead already is found out by reading from it."""
        with contextlib.suppress(OSError):
            self.channel.send(message)

    def give(self, assignment: Assignment, task: bytes, following: Sequence[str] = ()) -> None:
        """Hand over a partition, and say which files are likely to be read after it."""
        self.assignment = assignment
        self.tell(assignment.work(task, following))

    def ask_to_leave(self) -> None:
        """Tell it that there is no more work; `bury` sees to the rest."""
        self.tell(Stop())

    def resident_bytes(self) -> int:
        """Memory that it has now; 0 where that cannot be known any more."""
        return self._child.memory()[0]

    def memory(self) -> Memory:
        """Memory that it has now; nothing where that cannot be known any more."""
        return self._child.memory()

    def kill(self) -> None:
        """End it now, with all processes that its stages started."""
        self._child.kill()

    def bury(self) -> str:
        """Release what a worker held that is dead, or leaving; returns how it ended, in words."""
        how = self._child.bury()
        self.channel.close()
        self.position.close()
        return how

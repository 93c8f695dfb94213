"""One worker as the supervisor sees it: a process, a socket, and the page that tells what it works on.

Owned by the supervisor's thread alone.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from multiprocessing.connection import Connection
from typing import Any

from nemo_curator.backends.local.assignment import Assignment
from nemo_curator.backends.local.child import Child
from nemo_curator.backends.local.heartbeat import Memory
from nemo_curator.backends.local.messages import Start, Stop
from nemo_curator.backends.local.position import Position
from nemo_curator.models.remote import address_of
from nemo_curator.planning.memory import MemoryPlan

# One thread a worker for every numeric library: workers are the parallelism, and a sum over threads would depend
# on how many there are.
_THREADS = 1


class WorkerProcess:
    """A started worker.

    Args:
        worker_id: Its name in messages.
        stages: A cloudpickle of the stages.
        memory: What it may take.
        on_node: Whether it is the one that prepares the host.
        desk: Descriptor by which it reaches the inference process; None where there is none.

    Attributes:
        id: Its name in messages.
        on_node: Whether it is the one that prepares the host.
        channel: The socket to it.
        position: What it works on.
        ready: Whether its stages are set up.
        assignment: The partition it was given, or None while it is idle.
    """

    def __init__(
        self, worker_id: str, stages: bytes, memory: MemoryPlan, *, on_node: bool, desk: int | None = None
    ) -> None:
        self.id = worker_id
        self.on_node = on_node
        self.ready = False
        self.assignment: Assignment | None = None
        with contextlib.ExitStack() as opened:  # what must not leak when a process cannot be started
            ours, theirs = (opened.enter_context(one) for one in socket.socketpair())
            page = Position.make_descriptor()
            opened.callback(os.close, page)
            self.position = Position(page)
            self._child = Child(
                "nemo_curator.backends.local.worker",
                (theirs.fileno(), page, *([] if desk is None else [desk])),
                _THREADS,
            )
            self.channel = Connection(ours.detach())
        inference = "" if desk is None else address_of(desk)
        self.tell(Start(worker_id, sys.path, stages, on_node, memory, inference))

    def tell(self, message: Any) -> None:
        """Send a message; that it is dead already is found out by reading from it."""
        with contextlib.suppress(OSError):
            self.channel.send(message)

    def give(self, assignment: Assignment, task: bytes) -> None:
        """Hand over a partition."""
        self.assignment = assignment
        self.tell(assignment.work(task))

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

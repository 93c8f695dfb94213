"""One worker as the supervisor sees it: a process, a socket, and the page that tells what it works on.

Owned by the supervisor's thread alone.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from multiprocessing.connection import Connection
from typing import Any

import psutil

from nemo_curator.backends.local.assignment import Assignment
from nemo_curator.backends.local.messages import Start, Stop
from nemo_curator.backends.local.position import Position

# One thread a worker for every numeric library: workers are the parallelism, and a sum over threads would depend
# on how many there are.
_ONE_THREAD = dict.fromkeys(
    (
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "NUMEXPR_NUM_THREADS",
        "RAYON_NUM_THREADS",
        "ARROW_NUM_THREADS",
    ),
    "1",
)
_PATIENCE = 10.0  # seconds that a worker may take to leave


class WorkerProcess:
    """A started worker.

    Attributes:
        id: Its name in messages.
        on_node: Whether it is the one that prepares the host.
        channel: The socket to it.
        position: What it works on.
        ready: Whether its stages are set up.
        assignment: The partition it was given, or None while it is idle.
    """

    def __init__(self, worker_id: str, stages: bytes, *, on_node: bool) -> None:
        self.id = worker_id
        self.on_node = on_node
        self.ready = False
        self.assignment: Assignment | None = None
        with contextlib.ExitStack() as opened:  # what must not leak when a process cannot be started
            ours, theirs = (opened.enter_context(one) for one in socket.socketpair())
            page = _closing(opened, Position.make_descriptor())
            lifeline, held = (_closing(opened, one) for one in os.pipe())
            passed = (theirs.fileno(), page, lifeline)
            self.position = Position(page)
            self._process = subprocess.Popen(  # noqa: S603 (our own module, in our own interpreter)
                # -P: the working directory is no place to import from, unless it is one here too (`sys_path` below)
                [sys.executable, "-P", "-m", "nemo_curator.backends.local.worker", *map(str, passed)],
                stdin=subprocess.DEVNULL,
                stdout=2,  # what a stage prints is no part of a command's result
                pass_fds=passed,
                env={**os.environ, **_ONE_THREAD, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
                start_new_session=True,  # the terminal's Ctrl-C goes to the supervisor alone
            )
            self._watched = psutil.Process(self._process.pid)
            self._lifeline = os.dup(held)
            self.channel = Connection(ours.detach())
        self.tell(Start(worker_id, sys.path, stages, on_node))

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
        try:
            return int(self._watched.memory_info().rss)
        except psutil.Error:
            return 0

    def kill(self) -> None:
        """End it now, with all processes that its stages started."""
        if self._process.returncode is None:  # not reaped, so the number is still its own
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.kill()

    def bury(self) -> str:
        """Release what a worker held that is dead, or leaving; returns how it ended, in words."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=_PATIENCE)
        self._release()
        code = self._process.returncode
        return f"was killed by {_signal_name(-code)}" if code < 0 else f"ended with exit code {code}"

    def _release(self) -> None:
        """Once or more often."""
        if self._process.returncode is None:
            self.kill()
        self._process.wait()
        self.channel.close()
        self.position.close()
        if self._lifeline >= 0:
            os.close(self._lifeline)
            self._lifeline = -1


def _closing(opened: contextlib.ExitStack, descriptor: int) -> int:
    opened.callback(os.close, descriptor)
    return descriptor


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return f"signal {number}"

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

from nemo_curator.backends.local.messages import Assignment, Start, Stop, Work
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


class WorkerProcess:
    """A started worker.

    Attributes:
        id: Its name in messages.
        channel: The socket to it.
        position: What it works on.
        assignment: The partition it was given, or None while it is idle.
    """

    def __init__(self, worker_id: str, stages: bytes, *, on_node: bool) -> None:
        self.id = worker_id
        self.assignment: Assignment | None = None
        ours, theirs = socket.socketpair()
        page = Position.make_descriptor()
        lifeline, self._lifeline = os.pipe()
        passed = (theirs.fileno(), page, lifeline)
        self._process = subprocess.Popen(  # noqa: S603 (our own module, in our own interpreter)
            [sys.executable, "-m", "nemo_curator.backends.local.worker", *map(str, passed)],
            pass_fds=passed,
            env={**os.environ, **_ONE_THREAD, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
            start_new_session=True,  # the terminal's Ctrl-C goes to the supervisor alone
        )
        theirs.close()
        os.close(lifeline)
        self.channel = Connection(ours.detach())
        self.position = Position(page)
        os.close(page)
        with contextlib.suppress(OSError):  # dead already: the supervisor will read the end of the channel
            self.channel.send(Start(worker_id, sys.path, stages, on_node))

    def give(self, assignment: Assignment, task: bytes) -> None:
        """Hand over a partition."""
        self.assignment = assignment
        with contextlib.suppress(OSError):
            self.channel.send(Work(assignment.index, task))

    def stop(self) -> None:
        """Ask it to leave, and see that it does."""
        with contextlib.suppress(OSError):
            self.channel.send(Stop())
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
        self._release()

    def kill(self) -> str:
        """End it now; returns how it ended, in words."""
        self._process.kill()
        return self.bury()

    def bury(self) -> str:
        """Release what a dead worker held; returns how it ended, in words."""
        try:
            code = self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        self._release()
        return f"killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"

    def _release(self) -> None:
        self._process.wait()
        self.channel.close()
        self.position.close()
        with contextlib.suppress(OSError):
            os.close(self._lifeline)

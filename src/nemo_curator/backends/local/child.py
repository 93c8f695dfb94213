"""A process of a run as the supervisor sees it: a worker, or the one that holds models.

Owned by the supervisor's thread alone.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Sequence

import psutil

from nemo_curator.backends.local.heartbeat import Memory, memory_of

_PATIENCE = 10.0  # seconds that a process may take to leave
_THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "RAYON_NUM_THREADS",
    "ARROW_NUM_THREADS",
)  # how numeric libraries are told how many threads to use


class Child:
    """A started process: a module of ours in our own interpreter, in a session of its own.

    Args:
        module: The module's name. Its arguments are the numbers of the lifeline and the descriptors, then `arguments`.
        descriptors: What it inherits.
        threads: Threads that its numeric libraries may use.
        arguments: What it is given besides.
    """

    def __init__(self, module: str, descriptors: Sequence[int], threads: int, *arguments: str) -> None:
        with contextlib.ExitStack() as opened:  # what must not leak when a process cannot be started
            lifeline, held = os.pipe()
            opened.callback(os.close, lifeline)
            opened.callback(os.close, held)
            passed = (lifeline, *descriptors)
            self._process = subprocess.Popen(  # noqa: S603 (our own module, in our own interpreter)
                # -P: the working directory is no place to import from, unless it is one here too (`sys.path`)
                [sys.executable, "-P", "-m", module, *map(str, passed), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=2,  # what a stage prints is no part of a command's result
                pass_fds=passed,
                env={
                    **os.environ,
                    **dict.fromkeys(_THREADS, str(threads)),
                    "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
                },
                start_new_session=True,  # the terminal's Ctrl-C goes to the supervisor alone
            )
            self._watched = psutil.Process(self._process.pid)
            self._lifeline = os.dup(held)

    def memory(self) -> Memory:
        """Memory that it has now; nothing where that cannot be known any more."""
        return memory_of(self._watched)

    def kill(self) -> None:
        """End it now, with all processes that it started."""
        if self._process.returncode is None:  # not reaped, so the number is still its own
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.kill()

    def bury(self) -> str:
        """Release what a process held that is dead, or leaving, once or more often; how it ended, in words."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=_PATIENCE)
        if self._process.returncode is None:
            self.kill()
        code = self._process.wait()
        if self._lifeline >= 0:
            os.close(self._lifeline)
            self._lifeline = -1
        return f"was killed by {_signal_name(-code)}" if code < 0 else f"ended with exit code {code}"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return f"signal {number}"

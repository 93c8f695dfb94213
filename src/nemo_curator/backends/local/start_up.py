"""What every process of a run does first, in the process itself.

One daemon thread waits on the lifeline, a pipe whose other end the supervisor holds open, and ends the process when the
supervisor is gone, so that no process outlives its run.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
import threading


def start_up(lifeline_fd: int) -> None:
    """Leave Ctrl-C to the supervisor, write no core files, be quiet, and end with the supervisor."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the supervisor's to answer
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))  # deaths are expected
    _silence_native_libraries()
    threading.Thread(target=_die_with_supervisor, args=(lifeline_fd,), daemon=True).start()


def keep_from_children(*descriptors: int) -> None:
    """What this process starts must not hold these ends open."""
    for descriptor in descriptors:
        os.set_inheritable(descriptor, False)


def _silence_native_libraries() -> None:
    """Python keeps its standard error; what C libraries write past it goes nowhere, but for what decoders hear."""
    sys.stderr.flush()
    sys.stderr = os.fdopen(os.dup(2), "w", buffering=1, encoding="utf-8", errors="backslashreplace")
    sys.stdout = sys.stderr
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.dup2(nowhere, 1)
    os.close(nowhere)


def _die_with_supervisor(lifeline_fd: int) -> None:
    os.read(lifeline_fd, 1)  # returns when the last writer is gone
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)  # with all processes that stages started
    os._exit(1)

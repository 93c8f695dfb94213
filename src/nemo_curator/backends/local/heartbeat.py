"""When to give a sign of life, and what the processes of a run have of memory at that moment.

Owned by the thread that drives the run: the supervisor's, or that of a run without workers.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

import psutil

from nemo_curator.backends.local.events import Pulse

SECONDS = 1.0
"""Between two signs of life, at least."""

Memory = tuple[int, int]
"""Bytes of memory that a process has, and how many of them are pages that it may share with others."""


def memory_of(process: psutil.Process) -> Memory:
    """The memory of a process at this moment; nothing where that cannot be known any more."""
    try:
        found = process.memory_info()
    except psutil.Error:
        return 0, 0
    return int(found.rss), int(getattr(found, "shared", 0))  # macOS does not say what is shared


def together(processes: Iterable[Memory]) -> int:
    """Bytes that processes of one program have together.

    They run the same libraries, whose pages are in memory once: of what may be shared, the largest counts.
    """
    found = list(processes)
    own = sum(max(0, resident - shared) for resident, shared in found)
    return own + max((shared for _, shared in found), default=0)


class Heartbeat:
    """Gives signs of life.

    Args:
        tell: Told of them.
    """

    def __init__(self, tell: Callable[[Pulse], None]) -> None:
        self._tell = tell
        self._here = psutil.Process()
        self._next = 0.0

    def beat(self, workers: int = 0, others: Callable[[], Iterable[Memory]] = lambda: ()) -> None:
        """Give one, if it is time for it.

        Args:
            workers: Worker processes that are alive.
            others: Gives the memory of all processes but this one.
        """
        now = time.monotonic()
        if now >= self._next:
            self._next = now + SECONDS
            self._tell(Pulse(workers, together([memory_of(self._here), *others()])))

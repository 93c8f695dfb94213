"""What one image may cost a worker, as seen from outside: time, and memory.

Native code cannot be interrupted from inside, so the supervisor looks at what each worker has been at, and for how
long. Memory is bounded inside the worker too (`codecs.memory_guard`), where the system can do that; from here it is
the growth since the image was first seen in work that counts.

Owned by the supervisor's thread alone.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from nemo_curator.backends.local.process import WorkerProcess

_SLACK = 256 * 2**20  # bytes beyond the limit before a worker is killed for them: what is bounded inside comes first


@dataclass(frozen=True, slots=True)
class _Sight:
    """A worker at an image, as it was seen first: since when it is at it, and the memory it had."""

    since: float
    resident: int


class Patience:
    """Remembers what workers are at.

    Args:
        seconds: Time that one image may take.
        memory: Bytes that one image may take.

    Attributes:
        seconds: As given.
        memory: As given.
    """

    def __init__(self, seconds: float, memory: int) -> None:
        self.seconds = seconds
        self.memory = memory
        self._sights: dict[str, _Sight] = {}

    def ended(self, worker: WorkerProcess) -> tuple[str, str] | None:
        """(Image id, how it ends in words) where a worker has to be killed for what it is at; else None."""
        image_id, since, _ = worker.position.read()  # none while it waits
        if not image_id:
            self._sights.pop(worker.id, None)
            return None
        if time.monotonic() - since > self.seconds:
            return image_id, f"was killed after {self.seconds:g} seconds on one image"
        if self._growth(worker, since) > self.memory + _SLACK:
            return image_id, f"was killed for taking more than {self.memory:,} bytes of memory for one image"
        return None

    def forget(self, worker: WorkerProcess) -> None:
        """It is dead."""
        self._sights.pop(worker.id, None)

    def _growth(self, worker: WorkerProcess, since: float) -> int:
        resident = worker.resident_bytes()
        sight = self._sights.get(worker.id)
        if sight is None or sight.since != since:
            sight = self._sights[worker.id] = _Sight(since, resident)
        return resident - sight.resident

"""Who is served next: batches are cut into turns, so that one image never waits for hundreds of others.

Threads of the inference process, one a connection, share a `Turnstile`; its lock is held for the choice alone, and one
thread at a time is in a turn.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

_AT_ONCE = 10  # pictures that a tower computes at once (`models.runtimes.opening`)


@dataclass(slots=True, eq=False)
class Batch:
    """A batch that waits for its turns.

    Attributes:
        left: Pictures of it that are not computed yet.
    """

    left: int


def pictures_a_turn(threads: int) -> int:
    """How many pictures are computed in one turn: as many as a tower takes at once, and one a thread at least."""
    return -(-threads // _AT_ONCE) * _AT_ONCE


def choose(waiting: Sequence[Batch], most: int, *, overtook: bool) -> Batch:
    """The batch whose turn is next.

    First come, first served, to the end, so that its worker reads on while others are served; but one that needs only
    one turn overtakes the others, every second time at most. So no batch waits for ever, and a single
    image waits for two turns for each worker at most.

    Args:
        waiting: In the order of their arrival; not empty.
        most: Pictures of one turn.
        overtook: Whether the last one that was chosen had overtaken another.
    """
    if overtook:
        return waiting[0]
    return next((batch for batch in waiting if batch.left <= most), waiting[0])


class Turnstile:
    """Lets one thread through at a time.

    Args:
        most: Pictures of one turn.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._free = threading.Condition()
        self._waiting: list[Batch] = []
        self._busy = False
        self._overtook = False

    @contextmanager
    def queued(self, pictures: int) -> Iterator[Batch]:
        """Stand in the queue with a batch, for as long as the block lasts."""
        batch = Batch(pictures)
        with self._free:
            self._waiting.append(batch)
        try:
            yield batch
        finally:
            with self._free:
                self._waiting.remove(batch)
                self._free.notify_all()

    @contextmanager
    def turn(self, batch: Batch) -> Iterator[None]:
        """Wait for a turn of a batch that is queued; inside the block it is its turn."""
        with self._free:
            self._free.wait_for(lambda: not self._busy and self._next() is batch)
            self._busy, self._overtook = True, batch is not self._waiting[0]
        try:
            yield
        finally:
            with self._free:
                self._busy = False
                self._free.notify_all()

    def _next(self) -> Batch:
        return choose(self._waiting, self.most, overtook=self._overtook)

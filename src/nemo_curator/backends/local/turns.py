"""Who is served next: batches are cut into turns, so that one image never waits for hundreds of others.

Threads of the inference process, one a connection, share a `Turnstile`; its lock is held for the choice alone, and as
many threads at a time are in a turn as there are lanes.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

_LEAST = 10  # pictures of a turn: what is said between two turns is then less than a thousandth of the work


@dataclass(slots=True, eq=False)
class Batch:
    """A batch that waits for its turns.

    Attributes:
        left: Pictures of it that are not computed yet.
        turn: Pictures of one turn.
        inside: Whether it is its turn now.
    """

    left: int
    turn: int
    inside: bool = False


def pictures_a_turn(threads: int, batch: int) -> int:
    """How many pictures are computed in one turn: one a thread at least, and whole batches.

    Args:
        threads: Threads that the model may use.
        batch: Pictures that it computes at once.
    """
    return -(-max(threads, _LEAST) // batch) * batch


def choose(waiting: Sequence[Batch], *, overtook: bool) -> Batch:
    """The batch whose turn is next.

    First come, first served, to the end, so that its worker reads on while others are served; but one that needs only
    one turn overtakes the others, every second time at most. So no batch waits for ever, and a single
    image waits for two turns for each worker at most.

    Args:
        waiting: In the order of their arrival; not empty.
        overtook: Whether the last one that was chosen had overtaken another.
    """
    if overtook:
        return waiting[0]
    return next((batch for batch in waiting if batch.left <= batch.turn), waiting[0])


class Turnstile:
    """Lets one thread a lane through at a time.

    Args:
        lanes: How many.
    """

    def __init__(self, lanes: int = 1) -> None:
        self._lanes = lanes
        self._free = threading.Condition()
        self._queue: list[Batch] = []
        self._overtook = False

    @contextmanager
    def queued(self, pictures: int, turn: int) -> Iterator[Batch]:
        """Stand in the queue with a batch, for as long as the block lasts.

        Args:
            pictures: Of the batch.
            turn: Pictures of one turn.
        """
        batch = Batch(pictures, turn)
        with self._free:
            self._queue.append(batch)
        try:
            yield batch
        finally:
            with self._free:
                self._queue.remove(batch)
                self._free.notify_all()

    @contextmanager
    def turn(self, batch: Batch) -> Iterator[None]:
        """Wait for a turn of a batch that is queued; inside the block it is its turn."""
        with self._free:
            self._free.wait_for(lambda: self._next() is batch)
            self._overtook = batch is not self._waiting()[0]
            batch.inside = True
        try:
            yield
        finally:
            with self._free:
                batch.inside = False
                self._free.notify_all()

    def _next(self) -> Batch | None:
        """Whose turn it is; nobody's while all lanes are taken."""
        waiting = self._waiting()
        if not waiting or len(self._queue) - len(waiting) >= self._lanes:
            return None
        return choose(waiting, overtook=self._overtook)

    def _waiting(self) -> list[Batch]:
        return [batch for batch in self._queue if not batch.inside]

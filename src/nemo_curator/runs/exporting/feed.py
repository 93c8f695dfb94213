"""From the thread that reads to the thread that writes one shard.

One thread puts, another takes; nothing else is shared. What waits in between is bounded in bytes.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from typing import Generic, TypeVar

ROOM = 16_000_000
"""Bytes that wait at most, unless one piece alone has more."""

T = TypeVar("T")


class AbandonedError(Exception):
    """The other side gave up."""


class Feed(Generic[T]):
    """A bounded way for one writer and one reader."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: deque[tuple[T, int]] = deque()
        self._bytes = 0
        self._ended = False
        self._abandoned = False

    def put(self, piece: T, size: int) -> None:
        """Hand over a piece of `size` bytes; waits while there is no room.

        Raises:
            AbandonedError: Nobody takes any more.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._abandoned or not self._bytes or self._bytes + size <= ROOM)
            if self._abandoned:
                raise AbandonedError
            self._waiting.append((piece, size))
            self._bytes += size
            self._changed.notify_all()

    def end(self) -> None:
        """Nothing more comes."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def abandon(self) -> None:
        """Give up, on either side."""
        with self._changed:
            self._abandoned = True
            self._waiting.clear()
            self._changed.notify_all()

    def __iter__(self) -> Iterator[T]:
        """The pieces in order.

        Raises:
            AbandonedError: The one who puts gave up.
        """
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._ended or self._abandoned)
                if self._abandoned:
                    raise AbandonedError
                if not self._waiting:
                    return
                piece, size = self._waiting.popleft()
                self._bytes -= size
                self._changed.notify_all()
            yield piece
            del piece  # its bytes need not wait for the next

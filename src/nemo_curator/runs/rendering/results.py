"""How many bytes of finished images may wait until they are asked for. Shared by all threads of a pool.

An image that has no room stays in the child that made it, whose share of memory it is in anyway. What is asked for has
room at once, and so has all that was submitted before it, so that nobody waits for ever.
"""

from __future__ import annotations

import threading


class ResultRoom:
    """Room for results, which are numbered in the order in which they were submitted.

    Args:
        most: Bytes; a single result that has more has room too where no other one waits.
    """

    def __init__(self, most: int) -> None:
        self._most, self._held, self._wanted = most, 0, -1
        self._closed = False
        self._changed = threading.Condition()

    def enter(self, number: int, size: int) -> bool:
        """Wait until a result has room.

        Args:
            number: Which one it is.
            size: Its bytes.

        Returns:
            Whether it has; False at the end of the pool.
        """
        with self._changed:
            self._changed.wait_for(
                lambda: self._closed or number <= self._wanted or not self._held or self._held + size <= self._most
            )
            self._held += 0 if self._closed else size
            return not self._closed

    def want(self, number: int) -> None:
        """A result is asked for."""
        with self._changed:
            self._wanted = max(self._wanted, number)
            self._changed.notify_all()

    def leave(self, size: int) -> None:
        """A result is given away, or came to nothing."""
        with self._changed:
            self._held -= size
            self._changed.notify_all()

    def close(self) -> None:
        """Nothing has room any more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

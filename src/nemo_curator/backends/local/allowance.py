"""Whose turn it is at the memory that workers share for large images.

First come, first served: nobody overtakes, so that a large image is not kept waiting by small ones for ever. A worker
asks while it holds nothing, so that there is always one that can go on.

Owned by the supervisor's thread alone.
"""

from __future__ import annotations

from collections import deque


class Allowance:
    """So many bytes, of which workers have some for a time.

    Args:
        size: Bytes; one who asks for more gets all of them.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._held: dict[str, int] = {}
        self._waiting: deque[tuple[str, int]] = deque()

    @property
    def free(self) -> int:
        """Bytes that nobody has."""
        return self._size - sum(self._held.values())

    def ask(self, worker: str, size: int) -> list[str]:
        """A worker wants some bytes.

        Returns:
            The workers that have what they asked for from now on, in order.
        """
        self._waiting.append((worker, min(size, self._size)))
        return self._served()

    def give_back(self, worker: str) -> list[str]:
        """A worker needs what it has no more, or is dead; what it waited for, it does not wait for any more.

        Returns:
            As `ask`.
        """
        self._held.pop(worker, None)
        self._waiting = deque(one for one in self._waiting if one[0] != worker)
        return self._served()

    def _served(self) -> list[str]:
        served = []
        while self._waiting and self._waiting[0][1] <= self.free:
            worker, size = self._waiting.popleft()
            self._held[worker] = size
            served.append(worker)
        return served

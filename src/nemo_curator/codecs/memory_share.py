"""What this process may take for one image without asking, and its turns at what it shares with others.

In a worker whose run has a budget of memory, an image that takes more than the worker's own share waits until the
supervisor has room for it. Nobody waits while it holds a turn: what is not enough is given back before more is asked
for, so that two workers cannot wait for each other. Elsewhere, and where there is memory enough, nothing is ever asked.

How long somebody waits changes no result: the picture is decoded under the same limits, only later.

Owner: the worker's main thread, which reads and decodes one image at a time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_ENDLESS = 1 << 62


class MemoryShare:
    """The share of one process.

    Attributes:
        own: Bytes that it may take for an image without asking.
        most: Bytes that one image takes at most.
        held: Bytes beyond `own` that it has a turn at.
        careful: Whether every image gets all that it may take: its worker died of it, perhaps for want of memory.
    """

    def __init__(self) -> None:
        self.own = self.most = _ENDLESS
        self.held = 0
        self.careful = False
        self._files = 0  # bytes of the sample that is being read
        self._in_sample = False
        self._ask: Callable[[int], None] = _nothing
        self._give_back: Callable[[], None] = lambda: None

    def settle(self, own: int, most: int, ask: Callable[[int], None], give_back: Callable[[], None]) -> None:
        """Have a share from now on; for worker processes to call once.

        Args:
            own: Bytes for an image without asking.
            most: Bytes that one image takes at most.
            ask: Returns when there is room for so many bytes beyond `own`.
            give_back: Tells that the room of the last `ask` is free again.
        """
        self.own, self.most, self._ask, self._give_back = own, most, ask, give_back

    @property
    def bounds(self) -> bool:
        """Whether an image may have to wait."""
        return self.own < self.most

    @property
    def room(self) -> int:
        """Bytes that decoding may take now."""
        return max(0, self.own + self.held - self._files)

    def read(self, size: int) -> None:
        """So many bytes of a sample's files are going to be read; what it has a turn at stays until `release`.

        How much decoding takes is not known yet, and nobody asks for more while it holds a turn: files that take
        more than the own share get room for the largest image.

        Args:
            size: Bytes of all its files that are read so far, and of those that are read next.
        """
        self._files, self._in_sample = size, True
        if self.bounds and size > self.own:
            self._take(self.most)

    @contextmanager
    def lent(self, size: int) -> Iterator[None]:
        """Inside the block decoding may take so many bytes; of a sample that is being read, until `release`."""
        had = self.held
        if self.bounds:
            self._take(self.most if self.careful else self._files + size)
        try:
            yield
        finally:
            if not self._in_sample and not had:
                self.release()

    def release(self) -> None:
        """The image, and all that was read for it, is gone or counted as part of its batch."""
        self._files, self._in_sample = 0, False
        if self.held:
            self.held = 0
            self._give_back()

    def _take(self, size: int) -> None:
        more = min(size, self.most) - self.own
        if more <= self.held or threading.current_thread() is not threading.main_thread():
            return
        if self.held:
            self.held = 0
            self._give_back()
        self._ask(more)
        self.held = more


def _nothing(_: int) -> None:
    """Nobody has to be asked."""


here = MemoryShare()
"""The share of this process."""

"""Reading ahead: while one file is decoded, those that come next are on their way into the system's cache.

Threads: whoever reads says what will be read and how far it is; a daemon thread of this module asks the system, which
may keep it waiting where a disk is busy, and owns what it has asked for. It holds no bytes, and whatever goes wrong in
it is nobody's concern: the read itself will meet it, and tell of it where it belongs.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from queue import SimpleQueue

from nemo_curator import storage

Ask = Callable[[str, int], int]
"""(location, bytes at most) to the bytes that are on their way; as `storage.will_read`."""


@dataclass(slots=True)
class Window:
    """Which files are asked for, and how much of them: never more than so many bytes beyond the one that is read.

    Args:
        most: Bytes that may be on their way.
        files: What is read, in order.
    """

    most: int
    files: Sequence[str] = ()
    _asked: deque[tuple[int, int]] = field(default_factory=deque)
    _next: int = 1  # the first is being read already

    def move(self, position: int, ask: Ask) -> None:
        """The file at a position is being read now: ask for what comes after it.

        Args:
            position: The place of the file.
            ask: Asks for a file; one that cannot be asked for is passed over.
        """
        while self._asked and self._asked[0][0] <= position:
            self._asked.popleft()
        self._next = max(self._next, position + 1)
        room = self.most - sum(size for _, size in self._asked)
        while room > 0 and self._next < len(self.files):
            try:
                size = ask(self.files[self._next], room)
            except Exception:  # noqa: BLE001  whatever it is, the read itself will meet it
                size = 0
            self._asked.append((self._next, size))
            self._next += 1
            room -= size


class ReadAhead:
    """Asks for the files that come next, beside whoever reads.

    Args:
        most: Bytes that may be on their way at once; 0 asks for nothing.
        ask: Asks for a file.
    """

    def __init__(self, most: int, ask: Ask = storage.will_read) -> None:
        self._most = most
        self._ask = ask
        self._said: SimpleQueue[Sequence[str] | int | threading.Event] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._following: Sequence[str] = ()

    def expect(self, files: Sequence[str]) -> None:
        """These are likely to be read after those that `begin` names next."""
        self._following = list(files)

    def begin(self, files: Sequence[str]) -> None:
        """These will be read, in order; the first is being read now."""
        if self._most > 0:
            self._said.put([*files, *self._following])
            self.reached(0)

    def reached(self, position: int) -> None:
        """The file at that place, of those that were named, is being read now."""
        if self._most > 0 and self._started():
            self._said.put(position)

    def settle(self) -> None:
        """Wait until all that was said so far is heeded."""
        if self._thread is not None:
            heeded = threading.Event()
            self._said.put(heeded)
            heeded.wait()

    def _started(self) -> bool:
        """Whether there is a thread; where none can be had, nothing is read ahead, and nothing else is different."""
        if self._thread is None:
            thread = threading.Thread(target=self._serve, name="read-ahead", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # a limit of processes
                self._most = 0
                return False
            self._thread = thread
        return True

    def _serve(self) -> None:
        window = Window(self._most)
        while True:
            said = self._said.get()
            if isinstance(said, threading.Event):
                said.set()
            elif isinstance(said, int):
                window.move(said, self._ask)
            else:
                window = Window(self._most, said)

"""A process that dies at a chosen step of what it does to the storage."""

from __future__ import annotations

import threading
from contextlib import contextmanager

from nemo_curator import storage


class KilledError(BaseException):
    """The process is dead; nothing may catch this for good."""


class Killer:
    """Makes the storage raise at the n-th boundary, and at every one after it.

    Boundaries are: before a file is begun, before it appears, after it appeared, and around each removal.
    """

    def __init__(self, monkeypatch, at):
        """Raise from boundary `at` on."""
        self.left = at
        self.killed = False
        self._lock = threading.Lock()
        write_atomic, remove = storage.write_atomic, storage.remove

        @contextmanager
        def writing(url):
            self.step()
            with write_atomic(url) as file:
                yield file
                self.step()
            self.step()

        def removing(url):
            self.step()
            remove(url)
            self.step()

        monkeypatch.setattr(storage, "write_atomic", writing)
        monkeypatch.setattr(storage, "remove", removing)

    def step(self):
        """One more boundary."""
        with self._lock:
            if self.left == 0:
                self.killed = True
                raise KilledError
            self.left -= 1

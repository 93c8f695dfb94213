"""Which image a worker is working on, readable after its death.

A worker writes (its own main thread), the supervisor reads (its only thread). They share a few pages of memory and no
lock: the supervisor acts on what it reads only when the worker is dead, or when the same image stood there for longer
than an image may take. A worker that waits for the inference process notes that too: whatever happens to it
then, no image is to blame.
"""

from __future__ import annotations

import mmap
import os
import struct
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from nemo_curator.stages.worker import watched_name
from nemo_curator.storage.refusal import storage_error

# number of the note (odd while it is being written), since when, whether it only waits, bytes of the id
_HEAD = struct.Struct("<Qd?I")
_SIZE = 1 << 16
_TRIES = 100  # a worker that was killed while it wrote leaves an odd number for good
_LONGEST = (_SIZE - _HEAD.size) & ~1  # whole UTF-16 units


class Note(NamedTuple):
    """What a worker is at.

    Attributes:
        image_id: `watched_name` of the image in work, or "".
        since: Since when, in seconds of the system's monotonic clock, the same in all processes of a host.
        waiting: Whether it only waits for another process.
    """

    image_id: str
    since: float
    waiting: bool


class Position:
    """A shared note of (since when, which image)."""

    def __init__(self, descriptor: int) -> None:
        self._page = mmap.mmap(descriptor, _SIZE)
        self._number = 0
        self._image_id = ""

    @staticmethod
    def make_descriptor() -> int:
        """A descriptor of memory that a child process can inherit; it has no name and goes with its holders.

        Raises:
            StorageError: The system has no room for it, or a limit on file sizes forbids it.
        """
        if sys.platform == "linux":  # memory, not a file: a full disk cannot take it away
            descriptor = os.memfd_create("imagecurator-position")
        else:
            descriptor, path = tempfile.mkstemp(prefix="imagecurator-position-")
            Path(path).unlink()
        try:
            os.truncate(descriptor, _SIZE)
        except OSError as error:
            os.close(descriptor)
            raise storage_error("the note of what a worker is at (64 kB of memory)", error) from error
        return descriptor

    def enter(self, image_id: str) -> None:
        """Note the image in work by its `watched_name`; "" means none."""
        self._image_id = image_id
        self._note(image_id, waiting=False)

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Inside the block this process only waits; afterwards the image in work has all its time again."""
        self._note("", waiting=True)
        try:
            yield
        finally:
            self._note(self._image_id, waiting=False)

    def _note(self, image_id: str, *, waiting: bool) -> None:
        raw = watched_name(image_id).encode("utf-16-le", "surrogatepass")  # whatever a str can hold
        page, number = self._page, self._number + 1
        page[: _HEAD.size] = _HEAD.pack(number, time.monotonic(), waiting, len(raw))
        page[_HEAD.size : _HEAD.size + len(raw)] = raw
        self._number = number + 1
        page[:8] = self._number.to_bytes(8, "little")

    def read(self) -> Note:
        """The note as it is now."""
        for _ in range(_TRIES):
            number, since, waiting, length = _HEAD.unpack(self._page[: _HEAD.size])
            raw = self._page[_HEAD.size : _HEAD.size + min(length, _LONGEST)]
            if number % 2 == 0 and self._page[:8] == number.to_bytes(8, "little"):
                break
        return Note(raw.decode("utf-16-le", "surrogatepass"), since, waiting)

    def close(self) -> None:
        """Release the memory."""
        self._page.close()

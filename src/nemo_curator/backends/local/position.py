"""Which image a worker is working on, readable after its death.

A worker writes (its own main thread), the supervisor reads (its only thread). They share a few pages of memory and no
lock: the supervisor acts on what it reads only when the worker is dead, or when the same image stood there for longer
than an image may take.
"""

from __future__ import annotations

import mmap
import os
import struct
import sys
import tempfile
import time
from pathlib import Path

from nemo_curator.stages.worker import watched_name
from nemo_curator.storage.refusal import storage_error

_HEAD = struct.Struct("<QdI")  # number of the note (odd while it is being written), since when, bytes of the id
_SIZE = 1 << 16
_TRIES = 100  # a worker that was killed while it wrote leaves an odd number for good
_LONGEST = (_SIZE - _HEAD.size) & ~1  # whole UTF-16 units


class Position:
    """A shared note of (since when, which image)."""

    def __init__(self, descriptor: int) -> None:
        self._page = mmap.mmap(descriptor, _SIZE)
        self._number = 0

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
        raw = watched_name(image_id).encode("utf-16-le", "surrogatepass")  # whatever a str can hold
        page, number = self._page, self._number + 1
        # the clock is the system's monotonic one, the same in all processes of a host
        page[: _HEAD.size] = _HEAD.pack(number, time.monotonic(), len(raw))
        page[_HEAD.size : _HEAD.size + len(raw)] = raw
        self._number = number + 1
        page[:8] = self._number.to_bytes(8, "little")

    def read(self) -> tuple[str, float]:
        """(`watched_name` of the image or "", since when it has been in work in seconds of the system's clock)."""
        for _ in range(_TRIES):
            number, since, length = _HEAD.unpack(self._page[: _HEAD.size])
            raw = self._page[_HEAD.size : _HEAD.size + min(length, _LONGEST)]
            if number % 2 == 0 and self._page[:8] == number.to_bytes(8, "little"):
                break
        return raw.decode("utf-16-le", "surrogatepass"), float(since)

    def close(self) -> None:
        """Release the memory."""
        self._page.close()

"""A file elsewhere as a file to read: few requests, each for as much as is likely to be wanted."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from typing import Any, BinaryIO, cast

_FIRST = 1 << 19
"""Bytes that opening asks for: of most images and part files that is all of them, and their size is known then."""

_STREAM = 1 << 23
"""Bytes of one request where the whole file is read from its front."""

_LEAST = 1 << 16
"""Bytes of a request behind a jump at least."""

_SMALL = 1 << 16  # bytes that are handed on at a time; what is asked for beyond goes by unbuffered

Fetch = Callable[[int, int], bytes]
"""(offset, length) to the bytes there, fewer where the file ends before."""


class RemoteFile(io.RawIOBase):
    """A file that is read by ranges. Of one thread at a time.

    One range is kept, beside the end where that was asked for first. What is asked for behind a range doubles with
    every request, so that reading on takes few of them, and jumping about brings little that nobody wants.

    Args:
        fetch: Makes a request.
        ask_size: Finds out how long the file is; only asked where somebody wants to know it and it is not known yet.
        whole: Whether it will be read from the front to its end.
        fetch_end: Makes a request for so many last bytes, all of a file that has no more; for a file whose end is read
            first. None begins at the front.
    """

    def __init__(
        self,
        fetch: Fetch,
        ask_size: Callable[[], int],
        *,
        whole: bool = False,
        fetch_end: Callable[[int], bytes] | None = None,
    ) -> None:
        super().__init__()
        self._fetch, self._ask_size = fetch, ask_size
        self._at = self._start = 0
        self._size: int | None = None
        self._most = _STREAM if whole else _FIRST
        self._least = _LEAST
        self._held = self._end = b""
        if fetch_end is None:
            self._load(0, self._most)
            return
        self._least = _FIRST  # columns of a table, which lie side by side
        self._end = fetch_end(_FIRST)
        if len(self._end) < _FIRST:
            self._size = len(self._end)

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """Where the next byte is read."""
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Go to a place; that beyond the end is one too, as of any file."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at}.get(whence)
        self._at = (self._length() if base is None else base) + offset
        return self._at

    def readinto(self, buffer: Any, /) -> int:
        """Read what fits, or as much as one request gives."""
        room = memoryview(buffer).cast("B")
        start, held = self._piece()
        if not held:
            if not len(room) or (self._size is not None and self._at >= self._size):
                return 0
            goes_on = self._at == self._start + len(self._held)
            self._most = min(self._most * 2, _STREAM) if goes_on else self._least
            # a buffer before this takes what is wanted in two steps, the second of at most its own length
            self._load(self._at, max(self._most, len(room) + _SMALL))
            start, held = self._start, self._held
        data = memoryview(held)[self._at - start :][: len(room)]
        room[: len(data)] = data
        self._at += len(data)
        return len(data)

    def _piece(self) -> tuple[int, bytes]:
        """(offset, bytes) of what is held and has the next byte; no bytes where nothing has."""
        if self._start <= self._at < self._start + len(self._held):
            return self._start, self._held
        if self._end:
            start = self._length() - len(self._end)
            if start <= self._at < self._length():
                return start, self._end
        return self._at, b""

    def _load(self, start: int, length: int) -> None:
        if self._size is not None:
            length = min(length, self._size - len(self._end) - start)
        self._start, self._held = start, b""  # the old range goes before the new one comes
        self._held = self._fetch(start, length)
        if self._size is None and len(self._held) < length and (self._held or not start):
            self._size = start + len(self._held)

    def _length(self) -> int:
        if self._size is None:
            self._size = self._ask_size()
        return self._size


def buffered_reader(file: io.RawIOBase) -> BinaryIO:
    """The same with the manners of a file of this machine."""
    return cast("BinaryIO", io.BufferedReader(file, _SMALL))

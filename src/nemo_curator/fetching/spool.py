"""What was fetched of a shard that is not whole yet: one file that is only appended to.

Each record carries its length and checksum, so that whatever a kill leaves at the end is seen and cut off. Nothing that
is in it is fetched again.
"""

from __future__ import annotations

import json
import os
import struct
import sys
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from nemo_curator import storage
from nemo_curator.fetching.statuses import Outcome, outcome_of

_HEAD = struct.Struct("<4sQIQI")  # mark, row, bytes of the outcome, bytes of the image, checksum of both
_MARK = b"row\n"
_PIECE = 1 << 20
_LONGEST = 1 << 20  # bytes of an outcome


@dataclass(frozen=True, slots=True)
class Kept:
    """What a spool has of a row, and where.

    Attributes:
        status: What became of its URL, in a word of `STATUSES`; the whole outcome is in the spool.
        facts: Bytes of the outcome, which ends where the image begins.
        offset: Where the image begins in the spool.
        size: Bytes of the image.
    """

    status: str
    facts: int
    offset: int
    size: int


class Spool:
    """An open spool. Written by one thread; read by another when nothing is written any more.

    Args:
        path: Where it lies, on this machine; made where it is missing, read and mended where it is there.

    Attributes:
        rows: Row to what is there of it.

    Raises:
        StorageError: It cannot be opened, read or mended.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.rows: dict[int, Kept] = {}
        try:
            self._file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666), "r+b")
            self._end = 0
            for row, kept, end in self._records():
                self.rows[row] = kept
                self._end = end
            self._file.truncate(self._end)
            self._file.seek(self._end)
        except OSError as error:
            raise storage.storage_error(path, error) from error

    def add(self, row: int, outcome: Outcome, image: Iterable[bytes] = ()) -> None:
        """Keep what became of a row.

        Args:
            row: Its number.
            outcome: What became of it.
            image: Its bytes in pieces, `outcome.size` of them.

        Raises:
            StorageError: The disk is full, or fails.
        """
        facts = json.dumps(outcome.facts).encode()
        size, check = outcome.size or 0, zlib.crc32(facts)
        at = self._end + _HEAD.size + len(facts)
        try:
            self._file.seek(at)
            for piece in image:
                self._file.write(piece)
                check = zlib.crc32(piece, check)
            self._file.seek(self._end)
            self._file.write(_HEAD.pack(_MARK, row, len(facts), size, check) + facts)
            self._file.flush()
        except OSError as error:
            raise storage.storage_error(self.path, error) from error
        self._end = at + size
        self.rows[row] = Kept(sys.intern(outcome.status), len(facts), at, size)

    def image(self, kept: Kept) -> bytes:
        """The bytes of an image.

        Raises:
            StorageError: They cannot be read.
        """
        return self._read(kept.offset, kept.size)

    def outcome(self, kept: Kept) -> Outcome:
        """What became of a row.

        Raises:
            StorageError: It cannot be read.
        """
        return outcome_of(json.loads(self._read(kept.offset - kept.facts, kept.facts)))

    def close(self) -> None:
        """Let the file go; it stays where it is."""
        self._file.close()

    def _read(self, offset: int, size: int) -> bytes:
        try:
            return storage.read_at(self._file.fileno(), offset, size)
        except OSError as error:
            raise storage.storage_error(self.path, error, verb="be read") from error

    def _records(self) -> Iterator[tuple[int, Kept, int]]:
        """Row, what is there of it, and where its record ends, up to the first record that is not whole."""
        size = self._file.seek(0, os.SEEK_END)
        at = 0
        while at + _HEAD.size <= size:
            self._file.seek(at)
            mark, row, length, image, check = _HEAD.unpack(self._file.read(_HEAD.size))
            begin = at + _HEAD.size + length
            if mark != _MARK or length > _LONGEST or begin + image > size:
                return
            facts = self._file.read(length)
            found, left = zlib.crc32(facts), image
            while left:
                piece = self._file.read(min(_PIECE, left))
                found, left = zlib.crc32(piece, found), left - len(piece)
            if found != check:
                return
            known: Any = json.loads(facts)
            at = begin + image
            yield row, Kept(sys.intern(outcome_of(known).status), length, begin, image), at

"""Why a storage refused, in one sentence, and files that say so while they are written."""

from __future__ import annotations

import errno
import io
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, BinaryIO, cast

from nemo_curator.errors import StorageError

BUFFER = 1 << 20
"""Bytes that a file under way gathers before it asks the system."""

_AGAIN = "run the same command again"
_CAUSES = {
    errno.ENOSPC: ("the disk is full", f"free space and {_AGAIN}"),
    errno.EDQUOT: ("the disk quota is used up", f"free space or raise the quota, and {_AGAIN}"),
    errno.EFBIG: ("a limit on file size is reached", f"raise it (ulimit -f) or choose smaller shards, and {_AGAIN}"),
    errno.EACCES: ("permission is denied", "choose another place or change its permissions"),
    errno.EROFS: ("the file system is read-only", "choose another place"),
    errno.ENOTDIR: ("a file stands where a directory is needed", "move it away or choose another place"),
    errno.EISDIR: ("a directory of that name is in the way", "move it away or choose another place"),
    errno.EMFILE: ("too many files and connections are open", f"raise the limit (ulimit -n), and {_AGAIN}"),
    errno.ENFILE: ("the system has too many files open", f"end other programs, and {_AGAIN}"),
    errno.ENOBUFS: ("the system has no room for more connections", f"end other programs, and {_AGAIN}"),
    errno.EIO: ("the device reports a failure", "check the disk"),
}


def storage_error(url: str, error: OSError, *, verb: str = "be written") -> StorageError:
    """The one sentence for a storage that refused.

    Args:
        url: What was to be written.
        error: How the system said no.
        verb: What could not be done.
    """
    cause, act = _CAUSES.get(error.errno or 0, (error.strerror or str(error), f"check the place and {_AGAIN}"))
    return StorageError(f"cannot {verb}", where=url, cause=cause, act=act)


@contextmanager
def explained(where: str) -> Iterator[None]:
    """Turn what the system says inside the block into a `StorageError` about `where`."""
    try:
        yield
    except OSError as error:
        raise storage_error(where, error) from error


class _Sink(io.FileIO):
    """The raw end of a file being written: says why the storage refused, and can be told to swallow the rest."""

    def __init__(self, descriptor: int, where: str) -> None:
        super().__init__(descriptor, "wb")
        self._where = where
        self.abandoned = False

    def write(self, data: Any, /) -> int:
        """Write `data`, or drop it once the file is abandoned: a buffer flushes on close, needed or not."""
        if self.abandoned:
            return memoryview(data).nbytes
        with explained(self._where):
            return super().write(data) or 0


@contextmanager
def buffered(descriptor: int, where: str) -> Iterator[BinaryIO]:
    """A file over `descriptor`, flushed and closed at the end; its buffer is dropped if anything raises."""
    sink = _Sink(descriptor, where)
    file = io.BufferedWriter(sink, BUFFER)
    try:
        yield cast("BinaryIO", file)
        with explained(where):
            file.close()  # some writers closed it already; closing twice is harmless
    except BaseException:
        sink.abandoned = True
        with suppress(OSError):
            file.close()
        raise

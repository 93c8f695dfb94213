"""Files of this machine."""

# ruff: noqa: PTH103, PTH105, PTH108, PTH116, PTH120
# (paths are plain strings here: URLs, non-UTF-8 names, and millions of them)

from __future__ import annotations

import errno
import heapq
import os
import secrets
import stat as modes
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO

from nemo_curator.storage.place import Stored, join
from nemo_curator.storage.refusal import buffered, explained

_WILL_READ = 1 << 17  # bytes; of a longer range Linux takes no more than its disk's own read-ahead, silently


def stat_local(path: str) -> Stored:
    """Size and kind of what is at `path`."""
    return _stored(path, os.stat(path))


def read_at(descriptor: int, offset: int, length: int) -> bytes:
    """At most `length` bytes from byte `offset` of an open file; fewer only where the file ends before.

    One system call as a rule; more where the kernel hands out less than asked. The file's position stays.
    """
    data = os.pread(descriptor, length, offset)
    if len(data) == length or not data:
        return data
    pieces = [data]
    got = len(data)
    while got < length and (data := os.pread(descriptor, length - got, offset + got)):
        pieces.append(data)
        got += len(data)
    return b"".join(pieces)


def _stored(path: str, status: os.stat_result) -> Stored:
    size, kind = _size_and_kind(status)
    return Stored(path, size, kind, str(status.st_mtime_ns) if kind == "file" else "")


def _size_and_kind(status: os.stat_result) -> tuple[int, str]:
    if modes.S_ISREG(status.st_mode):
        return status.st_size, "file"
    return 0, "directory" if modes.S_ISDIR(status.st_mode) else "special"


def open_local(path: str) -> BinaryIO:
    """A regular file to read; anything else is refused at once."""
    # O_NONBLOCK: opening a pipe that nobody writes to would wait for ever; regular files do not heed it
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    _, kind = _size_and_kind(os.fstat(descriptor))
    if kind == "file":
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    if kind == "directory":
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    raise OSError(errno.EINVAL, "Not a regular file", path)


def read_end_local(path: str, length: int) -> bytes:
    """At most the last `length` bytes of a regular file."""
    with open_local(path) as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - length))
        return file.read(length)


def will_read_local(path: str, most: int) -> int:
    """Ask the system to have the beginning of a regular file in its cache; how many bytes were asked for."""
    with open_local(path) as file:
        length = min(most, os.fstat(file.fileno()).st_size)
        if sys.platform == "linux":  # elsewhere there is no such call, and nothing is asked for
            for start in range(0, length, _WILL_READ):
                os.posix_fadvise(file.fileno(), start, min(_WILL_READ, length - start), os.POSIX_FADV_WILLNEED)
    return length


def list_local(root: str, *, recursive: bool) -> Iterator[Stored]:
    """What lies under a directory, each physical directory once."""
    if not modes.S_ISDIR(os.stat(root).st_mode):
        yield stat_local(root)
        return
    seen: set[tuple[int, int]] = set()
    real, linked = [root], list[str]()
    while real or linked:
        if not real:  # links wait until every real directory has been met under its own name
            linked.sort(reverse=True)
            real.append(linked.pop())
        folder = real.pop()
        try:
            status = os.stat(folder)
            if (status.st_dev, status.st_ino) in seen:
                yield Stored(folder, 0, "loop")
                continue
            seen.add((status.st_dev, status.st_ino))
            with os.scandir(folder) as scan:
                children = list(scan)
        except OSError:
            if folder == root:
                raise
            yield Stored(folder, 0, "unreadable")
            continue
        for child in children:
            stored = _child(child, join(folder, child.name))
            if stored.kind != "directory":
                yield stored
            elif recursive:
                (linked if child.is_symlink() else real).append(stored.url)


def _child(child: os.DirEntry[str], path: str) -> Stored:
    try:
        return _stored(path, child.stat())
    except OSError:
        return Stored(path, 0, "broken")


@contextmanager
def write_local(path: str) -> Iterator[BinaryIO]:
    """A file that appears under `path` whole or not at all."""
    temporary, descriptor = _begun(path)
    try:
        with buffered(descriptor, path) as file:
            yield file
        rename_local(temporary, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise


def _begun(path: str) -> tuple[str, int]:
    """A new file beside `path`, under a name that says what it is to become."""
    temporary = f"{path}.tmp-{secrets.token_hex(6)}"
    with explained(path):
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        return temporary, os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)


def create_local(path: str, data: bytes) -> bool:
    """Write a whole file, synced, if there is none under its name; whether it was this one that did.

    Raises:
        StorageError: It cannot be written.
    """
    temporary, descriptor = _begun(path)
    try:
        with buffered(descriptor, path) as file:
            file.write(data)
        with explained(path):
            _sync(temporary)
            if not _linked(temporary, path):
                return False
            _sync(os.path.dirname(path) or ".")
    finally:
        with suppress(OSError):
            os.unlink(temporary)
    return True


def _linked(temporary: str, path: str) -> bool:
    """Give a file its name, unless that is taken; whether it has it."""
    try:
        os.link(temporary, path)  # unlike a rename, it fails where there is one, also over NFS
    except FileExistsError:
        return False
    except OSError:  # a file system without links
        if os.path.exists(path):  # noqa: PTH110 (as above: paths are plain strings here)
            return False
        os.replace(temporary, path)
    return True


def rename_local(source: str, path: str) -> None:
    """Rename a whole file to its place, such that a power cut leaves what was there before or this file.

    Raises:
        StorageError: It cannot be renamed.
    """
    folder = os.path.dirname(path) or "."
    with explained(path):
        os.makedirs(folder, exist_ok=True)
        _sync(source)
        os.replace(source, path)
        _sync(folder)


def _sync(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def prune_local(removed: Iterable[str], root: str) -> None:
    """Remove the directories of removed files that are empty now, up to `root`."""
    inside = join(root, "")
    folders = {os.path.dirname(path) for path in removed}
    waiting = [(-len(folder), folder) for folder in folders if folder.startswith(inside)]
    heapq.heapify(waiting)  # the deepest first, so that its parent may be empty then
    while waiting:
        _, folder = heapq.heappop(waiting)
        try:
            os.rmdir(folder)  # noqa: PTH106 (as above: paths are plain strings here)
        except OSError:  # something is left in it
            continue
        parent = os.path.dirname(folder)
        if parent.startswith(inside) and parent not in folders:
            folders.add(parent)
            heapq.heappush(waiting, (-len(parent), parent))

"""fsspec behind five verbs: open, list, stat, write_atomic, remove.

A path without a scheme (or with `file://`) is local and takes a short way that never imports fsspec; any other
URL goes through fsspec. Reading raises `OSError` as the caller's own file would; writing and removing raise
`StorageError`, one sentence that says what to do. The module is used as a namespace (`storage.open(url)`), and
its verbs are called what they do.
"""

# ruff: noqa: PTH103, PTH105, PTH108, PTH116, PTH120
# (paths are plain strings here: URLs, non-UTF-8 names, and millions of them)

from __future__ import annotations

import builtins
import errno
import importlib
import io
import os
import re
import secrets
import stat as modes
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

from nemo_curator.errors import InputError, MissingExtraError, StorageError

_BUFFER = 1 << 20
_LOCAL_SCHEMES = ("file://", "local://")
_AGAIN = "run the same command again"
_CAUSES = {
    errno.ENOSPC: ("the disk is full", f"free space and {_AGAIN}"),
    errno.EDQUOT: ("the disk quota is used up", f"free space or raise the quota, and {_AGAIN}"),
    errno.EFBIG: ("a limit on file size is reached", f"raise it (ulimit -f) or choose smaller shards, and {_AGAIN}"),
    errno.EACCES: ("permission is denied", "choose another place or change its permissions"),
    errno.EROFS: ("the file system is read-only", "choose another place"),
    errno.ENOTDIR: ("a file stands where a directory is needed", "move it away or choose another place"),
    errno.EISDIR: ("a directory of that name is in the way", "move it away or choose another place"),
    errno.EIO: ("the device reports a failure", "check the disk"),
}


@dataclass(frozen=True, slots=True)
class Stored:
    """One thing at a place.

    Attributes:
        url: The path or URL that opens it.
        size: Bytes of a file, else 0.
        kind: `file`; `directory`; `special` (device, pipe, socket: never opened); `broken` (a link to nothing);
            `loop` (a directory, met through a link, that is listed elsewhere); `unreadable` (a directory whose
            contents cannot be listed).
    """

    url: str
    size: int
    kind: str = "file"

    @property
    def is_dir(self) -> bool:
        """Whether it is a directory."""
        return self.kind in {"directory", "loop", "unreadable"}


def is_local(url: str) -> bool:
    """Whether `url` is a path of this machine."""
    return "://" not in url or url.startswith(_LOCAL_SCHEMES)


def join(base: str, *parts: str) -> str:
    """`base` and `parts` with single slashes between them; an empty `base` adds none."""
    for part in parts:
        base = part if not base else f"{base}{'' if base.endswith('/') else '/'}{part}"
    return base


def is_temporary(url: str) -> bool:
    """Whether the name is that of a file that was still being written: to be swept, never read."""
    return re.fullmatch(r".*\.tmp-[0-9a-f]{12}", url, re.DOTALL) is not None


def open(url: str, mode: str = "rb") -> BinaryIO:  # noqa: A001  the verb, see the module's docstring
    """Open a file to read.

    Args:
        url: Path or URL of a file.
        mode: Always `rb`; there for readers used to the builtin.

    Raises:
        ValueError: Another mode; `write_atomic` is the way to write.
        OSError: It is missing, forbidden, or not a regular file (a pipe or device is refused, not waited for).
    """
    if mode != "rb":
        raise ValueError(f"mode {mode!r} is not 'rb'; files are written through write_atomic")
    return _open_local(_path(url)) if is_local(url) else _open_remote(url)


def list(url: str, *, recursive: bool = True) -> builtins.list[Stored]:  # noqa: A001  the verb
    """What lies under a directory, or the one file that `url` names; sorted bytewise by path.

    Symbolic links are followed. Each physical directory is listed once, under its real place if that is inside
    `url`, so that loops end; the other way to it is reported as a `loop`. Temporary files of unfinished writes
    are listed too. Empty directories are not.

    Args:
        url: Path or URL.
        recursive: Whether to go into directories below.

    Raises:
        OSError: There is nothing at `url`, or it cannot be listed.
    """
    found = _list_local(_path(url), recursive=recursive) if is_local(url) else _list_remote(url, recursive=recursive)
    return sorted(found, key=lambda stored: stored.url.encode("utf-8", "surrogateescape"))


def stat(url: str) -> Stored:
    """Size and kind of what is at `url`.

    Raises:
        FileNotFoundError: There is nothing.
        OSError: It cannot be asked.
    """
    if is_local(url):
        status = os.stat(_path(url))
        return Stored(url, *_size_and_kind(status))
    filesystem, path = _filesystem(url)
    with _remote(url):
        info = filesystem.info(path)
    return Stored(url, int(info.get("size") or 0), "directory" if info["type"] == "directory" else "file")


def exists(url: str) -> bool:
    """Whether there is something at `url` that can be asked about."""
    try:
        stat(url)
    except OSError:
        return False
    return True


def is_directory(url: str) -> bool:
    """Whether there is a directory at `url`."""
    try:
        return stat(url).is_dir
    except OSError:
        return False


def read_range(url: str, offset: int, length: int) -> bytes:
    """At most `length` bytes from byte `offset`; fewer where the file ends before.

    Raises:
        OSError: The file cannot be read.
    """
    if is_local(url):
        with _open_local(_path(url)) as file:
            return read_at(file.fileno(), offset, length)
    filesystem, path = _filesystem(url)
    with _remote(url):
        return bytes(filesystem.cat_file(path, start=offset, end=offset + length))


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


@contextmanager
def write_atomic(url: str) -> Iterator[BinaryIO]:
    """A binary file that appears under `url` whole, when the block ends, or not at all.

    Local: written beside its final place under a temporary name, synced, renamed, and the directory synced; missing
    directories are made. Remote: gathered in a local temporary file and put in one go, which object stores
    make visible at once. If the block raises, nothing appears and the temporary file is removed.

    Raises:
        StorageError: The storage refused (disk full, no permission, …), inside the block or at its end.
    """
    with _write_local(_path(url)) if is_local(url) else _write_remote(url) as file:
        yield file


def remove(url: str) -> None:
    """Remove a file; nothing happens where there is none.

    Raises:
        StorageError: It cannot be removed.
    """
    try:
        if is_local(url):
            os.unlink(_path(url))
        else:
            filesystem, path = _filesystem(url)
            with _remote(url):
                filesystem.rm_file(path)
    except FileNotFoundError:
        return
    except OSError as error:
        raise storage_error(url, error, verb="be removed") from error


def storage_error(url: str, error: OSError, *, verb: str = "be written") -> StorageError:
    """The one sentence for a storage that refused.

    Args:
        url: What was to be written.
        error: How the system said no.
        verb: What could not be done.
    """
    cause, act = _CAUSES.get(error.errno or 0, (error.strerror or str(error), f"check the place and {_AGAIN}"))
    return StorageError(f"cannot {verb}", where=url, cause=cause, act=act)


def _path(url: str) -> str:
    for scheme in _LOCAL_SCHEMES:
        if url.startswith(scheme):
            return url[len(scheme) :]
    return url


def _size_and_kind(status: os.stat_result) -> tuple[int, str]:
    if modes.S_ISREG(status.st_mode):
        return status.st_size, "file"
    return 0, "directory" if modes.S_ISDIR(status.st_mode) else "special"


def _open_local(path: str) -> BinaryIO:
    # O_NONBLOCK: opening a pipe that nobody writes to would wait for ever; regular files do not heed it
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    _, kind = _size_and_kind(os.fstat(descriptor))
    if kind == "file":
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    if kind == "directory":
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    raise OSError(errno.EINVAL, "Not a regular file", path)


def _list_local(root: str, *, recursive: bool) -> Iterator[Stored]:
    if not modes.S_ISDIR(os.stat(root).st_mode):
        yield Stored(root, *_size_and_kind(os.stat(root)))
        return
    seen: set[tuple[int, int]] = set()
    real, linked = [root], builtins.list[str]()
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
                children = builtins.list(scan)
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
        return Stored(path, *_size_and_kind(child.stat()))
    except OSError:
        return Stored(path, 0, "broken")


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
        with _explained(self._where):
            return super().write(data) or 0


@contextmanager
def _explained(where: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise storage_error(where, error) from error


@contextmanager
def _buffered(descriptor: int, where: str) -> Iterator[BinaryIO]:
    """A file over `descriptor`, flushed and closed at the end; its buffer is dropped if anything raises."""
    sink = _Sink(descriptor, where)
    file = io.BufferedWriter(sink, _BUFFER)
    try:
        yield cast("BinaryIO", file)
        with _explained(where):
            file.close()  # some writers closed it already; closing twice is harmless
    except BaseException:
        sink.abandoned = True
        with suppress(OSError):
            file.close()
        raise


@contextmanager
def _write_local(path: str) -> Iterator[BinaryIO]:
    folder = os.path.dirname(path) or "."
    temporary = f"{path}.tmp-{secrets.token_hex(6)}"
    with _explained(path):
        os.makedirs(folder, exist_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        with _buffered(descriptor, path) as file:
            yield file
        with _explained(path):
            _sync(temporary)
            os.replace(temporary, path)
            _sync(folder)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise


def _sync(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _write_remote(url: str) -> Iterator[BinaryIO]:
    filesystem, path = _filesystem(url)
    with _explained(tempfile.gettempdir()):
        descriptor, temporary = tempfile.mkstemp(prefix="imagecurator-")
    try:
        with _buffered(descriptor, f"{url} (gathered in {temporary})") as file:
            yield file
        with _explained(url), _remote(url):
            filesystem.put_file(temporary, path)
    finally:
        os.unlink(temporary)


def _filesystem(url: str) -> tuple[Any, str]:
    """The fsspec file system of a URL, and the path in it."""
    core = importlib.import_module("fsspec.core")  # only here: a local run never needs it
    try:
        filesystem, path = core.url_to_fs(url)
    except ImportError as error:
        act = "install the package that it names"
        raise MissingExtraError(
            "this kind of URL needs a further package", where=url, cause=str(error), act=act
        ) from None
    except ValueError as error:
        raise InputError(
            "this kind of URL is not known", where=url, cause=str(error), act="check its spelling"
        ) from None
    return filesystem, path


@contextmanager
def _remote(url: str) -> Iterator[None]:
    """Turn whatever a remote file system raises into an `OSError`."""
    try:
        yield
    except OSError:
        raise
    except Exception as error:  # every backend has its own kinds
        raise OSError(errno.EIO, f"{type(error).__name__}: {error}", url) from error


class _Remote(io.RawIOBase):
    """A remote file to read, whose failures are all `OSError`."""

    def __init__(self, file: Any, url: str) -> None:
        super().__init__()
        self._file = file
        self._url = url

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return bool(self._file.seekable())

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        with _remote(self._url):
            return int(self._file.seek(offset, whence))

    def readinto(self, buffer: Any, /) -> int:
        with _remote(self._url):
            data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


def _open_remote(url: str) -> BinaryIO:
    filesystem, path = _filesystem(url)
    with _remote(url):
        return cast("BinaryIO", io.BufferedReader(_Remote(filesystem.open(path, "rb"), url), _BUFFER))


def _list_remote(url: str, *, recursive: bool) -> Iterator[Stored]:
    filesystem, root = _filesystem(url)
    with _remote(url):
        filesystem.invalidate_cache(root)
        found = filesystem.find(root, detail=True, maxdepth=None if recursive else 1)
        if not found:
            filesystem.info(root)  # raises where there is nothing, so that a misspelt URL is not an empty one
    for path, info in found.items():
        inner = path[len(root) :].lstrip("/")
        yield Stored(join(url.rstrip("/"), inner) if inner else url, int(info.get("size") or 0))

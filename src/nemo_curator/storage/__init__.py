"""fsspec behind five verbs: open, list, stat, write_atomic, remove.

A path without a scheme (or with `file://`) is local and takes a short way that never imports fsspec; any other
URL goes through fsspec. Reading raises `OSError` as the caller's own file would; writing and removing raise
`StorageError`, one sentence that says what to do. A storage elsewhere that refuses, or does not answer, also when it is
asked again, raises `UnreachableError`, which is no `OSError`: it says nothing about a file, and whoever took it for a
missing or broken one would lose images. The module is used as a namespace (`storage.open(url)`), and its verbs are
called what they do.
"""

from __future__ import annotations

import builtins
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import BinaryIO

from nemo_curator.storage.at_once import at_once
from nemo_curator.storage.descriptors import allow_many_files
from nemo_curator.storage.local import (
    create_local,
    list_local,
    open_local,
    prune_local,
    read_at,
    read_end_local,
    rename_local,
    stat_local,
    will_read_local,
    write_local,
)
from nemo_curator.storage.lock import is_locked, locked, refuse_held, shared
from nemo_curator.storage.place import Stored, is_local, is_temporary, join, local_path
from nemo_curator.storage.reach import in_use, use
from nemo_curator.storage.refusal import storage_error
from nemo_curator.storage.remote import (
    canonical_remote,
    is_read_only,
    list_remote,
    open_remote,
    read_end_remote,
    read_range_remote,
    reads_ranges,
    refuse_missing_bucket,
    refuse_read_only,
    remove_remote,
    stat_remote,
    write_remote,
)

__all__ = [
    "Stored",
    "allow_many_files",
    "at_once",
    "canonical_remote",
    "create",
    "exists",
    "in_use",
    "is_directory",
    "is_local",
    "is_locked",
    "is_read_only",
    "is_temporary",
    "join",
    "list",
    "local_path",
    "locked",
    "open",
    "prune",
    "read_at",
    "read_end",
    "read_range",
    "reads_ranges",
    "refuse_held",
    "refuse_missing_bucket",
    "refuse_read_only",
    "remove",
    "rename_local",
    "shared",
    "stat",
    "storage_error",
    "use",
    "will_read",
    "write_atomic",
]


def open(url: str, mode: str = "rb", *, whole: bool = False, from_end: bool = False) -> BinaryIO:  # noqa: A001  the verb, see the module's docstring
    """Open a file to read.

    Args:
        url: Path or URL of a file.
        mode: Always `rb`; there for readers used to the builtin.
        whole: Whether it will be read from its front to its end; elsewhere that takes fewer requests.
        from_end: Whether its end will be read first, as of a Parquet; the same.

    Raises:
        ValueError: Another mode; `write_atomic` is the way to write.
        OSError: It is missing, forbidden, or not a regular file (a pipe or device is refused, not waited for).
    """
    if mode != "rb":
        raise ValueError(f"mode {mode!r} is not 'rb'; files are written through write_atomic")
    return open_local(local_path(url)) if is_local(url) else open_remote(url, whole=whole, from_end=from_end)


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
    found = list_local(local_path(url), recursive=recursive) if is_local(url) else list_remote(url, recursive=recursive)
    return sorted(found, key=lambda stored: stored.url.encode("utf-8", "surrogateescape"))


def stat(url: str) -> Stored:
    """Size and kind of what is at `url`.

    Raises:
        FileNotFoundError: There is nothing.
        OSError: It cannot be asked.
    """
    return stat_local(local_path(url)) if is_local(url) else stat_remote(url)


def exists(url: str) -> bool:
    """Whether there is something at `url` that can be asked about.

    Raises:
        UnreachableError: Its storage refuses to say it, or does not answer.
    """
    try:
        stat(url)
    except OSError:
        return False
    return True


def is_directory(url: str) -> bool:
    """Whether there is a directory at `url`.

    Raises:
        UnreachableError: Its storage refuses to say it, or does not answer.
    """
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
        with open_local(local_path(url)) as file:
            return read_at(file.fileno(), offset, length)
    return read_range_remote(url, offset, length)


def read_end(url: str, length: int) -> bytes:
    """At most the last `length` bytes; all of a file that has no more.

    Raises:
        OSError: The file cannot be read.
    """
    return read_end_local(local_path(url), length) if is_local(url) else read_end_remote(url, length)


def will_read(url: str, most: int) -> int:
    """Say that the beginning of a file is going to be read, so that it is on its way when it is.

    It is the system's cache that it is brought to, which belongs to no process, and is taken back where memory is
    needed. Of a file that is not on this machine nothing is brought.

    Args:
        url: Path or URL of a file.
        most: Bytes of it at most.

    Returns:
        How many bytes of it are on their way.

    Raises:
        OSError: It is missing, forbidden, or not a regular file.
    """
    return will_read_local(local_path(url), most) if is_local(url) else 0


@contextmanager
def write_atomic(url: str) -> Iterator[BinaryIO]:
    """A binary file that appears under `url` whole, when the block ends, or not at all.

    Local: written beside its final place under a temporary name, synced, renamed, and the directory synced; missing
    directories are made. Remote: gathered in a local temporary file and put in one go, which object stores
    make visible at once. If the block raises, nothing appears and the temporary file is removed.

    Raises:
        StorageError: The storage refused (disk full, no permission, …), inside the block or at its end.
    """
    with write_local(local_path(url)) if is_local(url) else write_remote(url) as file:
        yield file


def create(url: str, data: bytes) -> bool:
    """Write a file if there is none: of several processes that try, one does, and none writes over another.

    Args:
        url: Path or URL of the file.
        data: All of it.

    Returns:
        Whether this one wrote it.

    Raises:
        StorageError: The storage refused.
    """
    if is_local(url):
        return create_local(local_path(url), data)
    try:
        with write_remote(url, new=True) as file:
            file.write(data)
    except FileExistsError:
        return False  # or it was written, and the answer was lost: whoever asks reads what is there anyway
    return True


def remove(url: str) -> None:
    """Remove a file; nothing happens where there is none.

    Raises:
        StorageError: It cannot be removed.
    """
    try:
        if is_local(url):
            os.unlink(local_path(url))  # noqa: PTH108 (paths are plain strings here)
        else:
            remove_remote(url)
    except FileNotFoundError:
        return
    except OSError as error:
        raise storage_error(url, error, verb="be removed") from error


def prune(removed: Iterable[str], root: str) -> None:
    """Remove the directories below `root` that lost their last file; object stores have none.

    Args:
        removed: Files that were removed.
        root: The directory that stays, empty or not.
    """
    if is_local(root):
        prune_local([local_path(url) for url in removed], local_path(root))

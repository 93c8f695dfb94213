"""One process at a time in a directory of this machine.

The lock is the kernel's (`flock` on the directory itself): no lock file is left anywhere, and a lock dies with its
process, however that ends.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from nemo_curator.errors import LockedError
from nemo_curator.storage.place import is_local, local_path
from nemo_curator.storage.refusal import explained

_HELD = {errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES}
_PATIENT = 500  # attempts of who comes beside others: one of them may be tidying up
_ATTEMPTS, _PAUSE = 5, 0.01  # who only asks whether a place is held is in the way for no longer than that, seconds


@contextmanager
def locked(url: str, *, wait: bool = False) -> Iterator[None]:
    """Hold a directory, which is made if it is missing, until the block ends.

    Remote places, and file systems without locks, are not held: what is written there is written whole and is the same
    whoever writes it, so two processes cost time and nothing else.

    Args:
        url: The directory.
        wait: Whether to wait until another process that holds it lets go.

    Raises:
        LockedError: Another process holds it, and `wait` is not set.
        StorageError: The directory cannot be made or opened.
    """
    if not is_local(url):
        yield
        return
    descriptor = _opened(url)
    try:
        if wait:
            with suppress(OSError):  # there are no locks here
                fcntl.flock(descriptor, fcntl.LOCK_EX)
        elif not _taken(descriptor, fcntl.LOCK_EX, attempts=_ATTEMPTS):
            raise _refused(url)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def shared(url: str, first: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold a directory beside others that hold it in this way, until the block ends; nobody holds it alone meanwhile.

    Args:
        url: The directory, which is made if it is missing.
        first: Done before, if nobody else is there, while nobody can come; never where there are no locks.

    Raises:
        LockedError: Another process holds it alone.
        StorageError: The directory cannot be made or opened.
    """
    if not is_local(url):
        yield
        return
    descriptor = _opened(url)
    try:
        if _taken(descriptor, fcntl.LOCK_EX) and not _has_none(descriptor):
            first()
        if not _taken(descriptor, fcntl.LOCK_SH, attempts=_PATIENT):
            raise _refused(url)
        yield
    finally:
        os.close(descriptor)


def _opened(url: str) -> int:
    path = local_path(url)
    with explained(path):
        os.makedirs(path, exist_ok=True)  # noqa: PTH103 (paths are plain strings here)
        return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


def _refused(url: str) -> LockedError:
    return LockedError(
        "another imagecurator is at work here", where=url, act="wait until it ends, or choose another place"
    )


def _has_none(descriptor: int) -> bool:
    """Whether there are no locks here."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in _HELD
    return False


def refuse_held(url: str) -> None:
    """Refuse a directory that another process holds at this moment; it is not held afterwards, nor made.

    Raises:
        LockedError: One holds it.
    """
    if is_locked(url):
        raise _refused(url)


def is_locked(url: str) -> bool:
    """Whether a process holds the directory at this moment."""
    if not is_local(url):
        return False
    try:
        descriptor = os.open(local_path(url), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        if not _taken(descriptor, fcntl.LOCK_SH):
            return True
        # some may hold it together; who only asks, as we do, is gone by the next attempt
        return not _taken(descriptor, fcntl.LOCK_EX, attempts=_ATTEMPTS)
    finally:
        os.close(descriptor)


def _taken(descriptor: int, kind: int, *, attempts: int = 1) -> bool:
    """Whether the lock could be had, or there are no locks here."""
    for attempt in range(attempts):
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in _HELD:
                return True
        else:
            return True
        if attempt + 1 < attempts:
            time.sleep(_PAUSE)
    return False

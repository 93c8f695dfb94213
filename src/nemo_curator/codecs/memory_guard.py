"""Stopping a decoder that takes more memory than one image may have.

In a worker process the system itself refuses: before each image the process's bound on private memory
(`RLIMIT_DATA`) is set to what it has plus the limit, so that an allocation beyond it fails at once instead of
driving the machine into swap. Most decoders then say that memory ran out; one that crashes instead is the
supervisor's to find. Outside of workers nothing is changed, because the bound belongs to the whole process.

Owner: the worker's main thread, which decodes one image at a time.
"""

from __future__ import annotations

import gc
import os
import re
import resource
import sys
from collections.abc import Callable
from typing import TypeVar

from nemo_curator.codecs.memory import return_freed_memory
from nemo_curator.errors import LimitError

T = TypeVar("T")

# -9 is Pillow's; libheif calls its own limits, which are not ours, an allocation error too
_SAYS_NO_MEMORY = re.compile(
    r"out of memory|cannot allocate|bad_alloc|insufficient memory|memory allocation(?!.*security limit)"
    r"|decoder error -9$",
    re.IGNORECASE,
)
_DATA_FIELD = 5  # of /proc/self/statm: pages of private writable memory, which is what the bound counts


class _Guard:
    """The bound of this process, once it is armed."""

    statm = -1  # descriptor of /proc/self/statm, open for good
    page = 4096


_guard = _Guard()


def arm() -> bool:
    """Let `guarded` set the bound of this process from now on; for worker processes to call once.

    Returns:
        Whether it can be done: False on systems other than Linux, where the supervisor alone watches.
    """
    if not sys.platform.startswith("linux"):
        return False
    _guard.page = os.sysconf("SC_PAGE_SIZE")
    if _guard.statm < 0:
        _guard.statm = os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)
    return True


def guarded(work: Callable[[], T], limit: int) -> T:
    """Do some work that may take at most so much more memory than the process has.

    Where memory runs out, what was freed before is given back to the system and the work is tried once more, so
    that the answer does not depend on the images before this one.

    Args:
        work: Decodes one image.
        limit: Bytes.

    Raises:
        LimitError: Memory ran out both times.
        Exception: Whatever the work raises.
    """
    try:
        return _bounded(work, limit)
    except Exception as error:
        if not _is_memory(error):
            raise
    gc.collect()
    return_freed_memory()
    try:
        return _bounded(work, limit)
    except Exception as error:
        if not _is_memory(error):
            raise
        raise LimitError(
            f"its decoder takes more memory than the limit of {limit:,} bytes",
            act="raise limits.memory in the recipe to admit it",
        ) from error


def _bounded(work: Callable[[], T], limit: int) -> T:
    if _guard.statm < 0:
        return work()
    before, hard = resource.getrlimit(resource.RLIMIT_DATA)
    bound = _private_bytes() + limit
    if hard != resource.RLIM_INFINITY:
        bound = min(bound, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (bound, hard))
    try:
        return work()
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (before, hard))


def _private_bytes() -> int:
    return int(os.pread(_guard.statm, 128, 0).split()[_DATA_FIELD]) * _guard.page


def _is_memory(error: Exception) -> bool:
    return isinstance(error, MemoryError) or bool(_SAYS_NO_MEMORY.search(str(error)))

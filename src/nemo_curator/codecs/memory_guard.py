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

from nemo_curator.codecs.memory import MOST_KEPT, return_freed_memory
from nemo_curator.codecs.memory_share import here
from nemo_curator.errors import LimitError

T = TypeVar("T")

# -9 is Pillow's; libheif calls its own limits, which are not ours, an allocation error too
_SAYS_NO_MEMORY = re.compile(
    r"out of memory|cannot allocate|bad_alloc|insufficient memory|memory allocation(?!.*security limit)"
    r"|decoder error -9$",
    re.IGNORECASE,
)
_KEPT = 2 * MOST_KEPT  # what freed memory may hold at the end of the heap and inside it
_KEPT_AFTER = 1 << 22  # what is left of that inside it, once the rest was given back
_ENDLESS = 1 << 62
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


def guarded(work: Callable[[], T], limit: int, need: int = 0) -> T:
    """Do some work that may take at most so much memory, and give it at least what it honestly needs.

    What the process has freed and kept can be used again without asking the system, so the bound is drawn as if all of
    that were used; where memory runs out, what was kept is given back first and the work is tried once more. So the
    answer does not depend on the images before this one, but for files that take, without having said so, within some
    megabytes of the limit.

    Where the process has a share of a budget (`memory_share`), the work waits for its turn at what it needs, and is
    bounded to that at first. Whatever it fails of then, it is tried once more with all that the limit admits, so that
    the answer does not depend on the share either.

    Args:
        work: Decodes one image.
        limit: Bytes.
        need: Bytes that it takes at most if its header tells the truth; not more than the limit.

    Raises:
        LimitError: Memory ran out both times.
        Exception: Whatever the work raises.
    """
    try:
        return _tried(work, limit, need)
    except Exception as error:
        if not is_memory(error) and not here.bounds:
            raise
    gc.collect()
    try:
        with here.lent(limit):
            return_freed_memory()
            return _bounded(work, max(need, limit - _KEPT_AFTER))
    except Exception as error:
        if not is_memory(error):
            raise
        raise LimitError(
            f"its decoder takes more memory than the limit of {limit:,} bytes",
            act="raise limits.memory in the recipe to admit it",
        ) from error


def is_memory(error: Exception) -> bool:
    """Whether an exception says that memory ran out, in whatever words."""
    return isinstance(error, MemoryError) or bool(_SAYS_NO_MEMORY.search(str(error)))


def _tried(work: Callable[[], T], limit: int, need: int) -> T:
    """The work with what it needs, and what the process may have for it without asking."""
    with here.lent(need):
        if here.held:  # what was kept is beside that
            return_freed_memory()
        return _bounded(work, max(need, min(limit, here.room) - _KEPT))


def _bounded(work: Callable[[], T], more: int) -> T:
    """The work with a bound on what the process may have more than now."""
    if _guard.statm < 0:
        return work()
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    bound = min(_private_bytes() + more, *(one for one in (soft, hard) if one != resource.RLIM_INFINITY), _ENDLESS)
    resource.setrlimit(resource.RLIMIT_DATA, (bound, hard))
    try:
        return work()
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def _private_bytes() -> int:
    return int(os.pread(_guard.statm, 128, 0).split()[_DATA_FIELD]) * _guard.page

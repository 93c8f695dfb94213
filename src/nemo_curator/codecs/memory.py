"""Keeping the memory of one picture for the next.

glibc hands large blocks back to the system when they are freed, and the system then clears every page of the next
picture again: a third of the time of decoding a small photograph, measured. A process that does nothing but decode one
picture after another keeps the blocks instead.
"""

from __future__ import annotations

import contextlib
import ctypes
import sys

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # from malloc.h
_LARGEST_KEPT = 1 << 25  # bytes of one block: a picture of 11 million pixels
MOST_KEPT = 1 << 26
"""Bytes of freed memory at the end of the heap that stay with the process."""


def keep_freed_memory() -> bool:
    """Tell malloc to keep up to 64 MB of freed memory, of blocks up to 32 MB; it changes the whole process.

    For decode workers to call once when they start; no library function calls it.

    Returns:
        Whether it took effect; False on systems without glibc.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, _LARGEST_KEPT)) and bool(mallopt(_M_TRIM_THRESHOLD, MOST_KEPT))


def return_freed_memory() -> None:
    """Give back to the system what was kept; nothing happens on systems without glibc."""
    if not sys.platform.startswith("linux"):
        return
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)

"""How many bytes of one sample are read at most, said in the words of its quarantine record."""

from __future__ import annotations

from collections.abc import Iterable

MAX_BYTES = 64_000_000
"""Default for the longest file of a sample that is read, bytes."""

SAMPLE_FACTOR = 4
"""All files of a sample together may be this many times as long as one."""


def over_limit(sizes: Iterable[tuple[str, int]], max_bytes: int) -> str:
    """Why a sample is too large to be read, or "".

    Args:
        sizes: Name and length in bytes of each of its files.
        max_bytes: The limit for one file.
    """
    total = 0
    for name, size in sizes:
        if size > max_bytes:
            return f"{name} has {size} bytes; the limit is {max_bytes}"
        total += size
    if total > SAMPLE_FACTOR * max_bytes:
        return f"its files have {total} bytes together; the limit is {SAMPLE_FACTOR * max_bytes}"
    return ""

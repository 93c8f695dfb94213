"""How much of one sample and of one shard is read at most, said in the words of its quarantine record."""

from __future__ import annotations

from collections.abc import Iterable

MAX_BYTES = 64_000_000
"""Default for the longest file of a sample that is read, bytes."""

SAMPLE_FACTOR = 4
"""All files of a sample together may be this many times as long as one."""

MAX_SAMPLE_FILES = 10_000
"""Files of one sample: its record names each, and its row in a Parquet file holds them all."""

MAX_MEMBERS = 2_000_000
"""Members of one shard. A shard is one unit of work, so its index and its rows are in the memory of one worker."""

MAX_NAMES = 256_000_000
"""Bytes of all names and link targets in one shard, for the same reason: 128 bytes a member of the largest shard."""

MAX_NAME = 65_535
"""Characters of one name; file systems end at 4,096 bytes for a path."""

_RAISE = "raise limits.bytes in the recipe to admit it"


def over_limit(sizes: Iterable[tuple[str, int]], max_bytes: int, *, before: int = 0) -> str:
    """Why a sample is too large to be read, or "".

    Args:
        sizes: Name and length in bytes of each of its files.
        max_bytes: The limit for one file.
        before: Bytes of files of the sample that were looked at already.
    """
    total = before
    for name, size in sizes:
        if size > max_bytes:
            return f"{name} has {size:,} bytes, over the limit of {max_bytes:,}; {_RAISE}"
        total += size
    if total > SAMPLE_FACTOR * max_bytes:
        return f"its files have {total:,} bytes together, over the limit of {SAMPLE_FACTOR * max_bytes:,}; {_RAISE}"
    return ""


def too_many_files(files: int) -> str:
    """Why a sample of so many files is not read, or ""."""
    return f"it has {files} files; the limit for one sample is {MAX_SAMPLE_FILES}" if files > MAX_SAMPLE_FILES else ""

"""Entries to partitions: the files that one unit of work reads. A pure function, so that its list can be frozen."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from nemo_curator.shards.entry import Entry

LOOSE_FILES = 256
"""Loose files in a partition at most, by default."""

LOOSE_BYTES = 256_000_000
"""Bytes of loose files in a partition at most, by default, unless one file alone has more."""


@dataclass(frozen=True, slots=True)
class Partition:
    """The files that one unit of work reads.

    Attributes:
        entries: The files, in source order.
    """

    entries: tuple[Entry, ...]

    @property
    def id(self) -> str:
        """16 hex digits: a hash of the input names and relative paths of the files, and of nothing else."""
        digest = hashlib.sha256()
        for entry in self.entries:
            digest.update(f"{entry.name}\0{entry.path}\0".encode())
        return digest.hexdigest()[:16]

    @property
    def root(self) -> str:
        """The input that all its files lie under; "" where each is an input itself."""
        return self.entries[0].root

    @property
    def name(self) -> str:
        """The name of that input in ids, or ""."""
        return self.entries[0].name

    @property
    def size(self) -> int:
        """Bytes of its shards and of its loose files without sidecars, as far as they are known."""
        return sum(max(0, entry.size) for entry in self.entries)


def partition(
    entries: Iterable[Entry],
    files_per_partition: int | None = None,
    max_bytes: int | None = None,
    limit: int | None = None,
) -> list[Partition]:
    """Group entries, keeping their order; the same entries always give the same partitions.

    By default each shard is a partition, and the loose files of an input are grouped up to `LOOSE_FILES` and
    `LOOSE_BYTES`. A partition never spans two inputs, nor holds shards beside loose files; only where the inputs are
    files themselves and a number is asked for, it counts them as they come.

    Args:
        entries: What `list_inputs` found, or a part of it.
        files_per_partition: Exactly so many files in each partition but the last of its group.
        max_bytes: Files up to so many bytes together in each partition, shards too; a larger file is alone.
        limit: At most so many partitions; the rest of the entries is left out.

    Raises:
        ValueError: Both sizes are given, or a number is not positive.
    """
    numbers = {"files_per_partition": files_per_partition, "max_bytes": max_bytes, "limit": limit}
    for name, number in numbers.items():
        if number is not None and number < 1:
            raise ValueError(f"{name} must be at least 1, not {number}")
    if files_per_partition is not None and max_bytes is not None:
        raise ValueError("give files_per_partition or max_bytes, not both")
    open_runs: dict[tuple[str, str, bool], _Run] = {}
    runs: list[_Run] = []
    for entry in entries:
        mixed = files_per_partition is not None and not entry.root
        group = (entry.root, entry.name, mixed or not entry.is_shard)
        run = open_runs.get(group)
        if run is None or not run.takes(entry, files_per_partition, max_bytes):
            run = open_runs[group] = _Run()
            runs.append(run)
        run.add(entry)
    return [Partition(tuple(run.entries)) for run in runs[:limit]]


class _Run:
    """A partition while it grows."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.bytes = 0

    def add(self, entry: Entry) -> None:
        self.entries.append(entry)
        self.bytes += max(0, entry.size)

    def takes(self, entry: Entry, files: int | None, most_bytes: int | None) -> bool:
        """Whether one more file has room beside what is there."""
        if files is not None:
            return len(self.entries) < files
        total = self.bytes + max(0, entry.size)
        if most_bytes is not None:
            return total <= most_bytes
        return not entry.is_shard and len(self.entries) < LOOSE_FILES and total <= LOOSE_BYTES

"""Where the bytes of a sample lie: the facts that make a byte-exact copy possible later."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Member:
    """One file of a sample.

    Attributes:
        name: Its name in the shard, or its path relative to the input root for a loose file.
        extension: What follows the sample's key in the name, without the dot; lower case is not forced.
        offset: Position of its first byte in the uncompressed shard; in a Parquet the number of its row, from 1; 0
            for a loose file.
        length: Its length in bytes.
        sha256: Hex digest of its bytes, or "" where they were not read.
    """

    name: str
    extension: str
    offset: int
    length: int
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """Where a sample came from.

    Attributes:
        root: The input argument; never stored in results.
        name: The input's name where several were given, else "".
        path: Path of the shard or loose file, relative to `root`.
        key: The sample's key inside its shard; for a loose file its relative path without the last extension.
        members: All files of the sample, in source order.
        primary: Index in `members` of the image that is curated, or -1 where there is none.
        location: Full path or URL of the shard or loose file.
        ordinal: Position among the records of its partition, so that source order survives any filtering.
    """

    root: str = ""
    name: str = ""
    path: str = ""
    key: str = ""
    members: tuple[Member, ...] = ()
    primary: int = -1
    location: str = ""
    ordinal: int = 0

    @property
    def is_loose(self) -> bool:
        """Whether the sample is a file of its own, not one in a shard."""
        return 0 <= self.primary < len(self.members) and self.members[self.primary].name == self.path

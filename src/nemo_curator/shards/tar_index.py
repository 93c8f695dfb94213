"""The members of a tar gathered into samples, before any of their data is read.

A member costs its name and 44 bytes: columns of numbers instead of objects, all names behind one another, and of each
key a digest. Objects are made of one sample at a time, when it is its turn.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from nemo_curator.shards.limits import MAX_MEMBERS, MAX_NAMES, MAX_SAMPLE_FILES
from nemo_curator.shards.names import split_member
from nemo_curator.shards.tar_headers import TarDamage, TarEntry, walk

_DIGEST = 16  # bytes; two keys of one digest are as unlikely as anything that is never checked
_AT_ONCE = 4096  # groups whose bounds become Python numbers together


@dataclass(slots=True)
class Group:
    """The members that share a key, wherever in the archive they lie.

    Attributes:
        key: The path up to the first dot of the base name, as in the archive.
        files: Its regular files by name, in archive order, `MAX_SAMPLE_FILES` at most.
        more: Number of further regular files, which are counted and not kept.
        others: What cannot be part of the sample (a name for the second time, links, devices, …), in archive order.
    """

    key: str
    files: dict[str, TarEntry]
    more: int
    others: Others


@dataclass(slots=True)
class Others:
    """Members by their numbers: a million of one key must not be objects at once."""

    _members: _Members
    _numbers: array[int] = field(default_factory=lambda: array("I"))

    def __iter__(self) -> Iterator[TarEntry]:
        return map(self._members.entry, self._numbers)

    def __len__(self) -> int:
        return len(self._numbers)

    def add(self, number: int) -> None:
        """One member more."""
        self._numbers.append(number)


class _Members:
    """All members in archive order, as columns."""

    def __init__(self) -> None:
        self._names = bytearray()  # each name, and behind a zero byte what it links to
        self._ends = array("Q", [0])
        self._offsets, self._sizes = array("Q"), array("Q")
        self._kinds: list[str] = []
        self._kind_numbers: dict[str, int] = {}
        self._kind = array("H")

    def __len__(self) -> int:
        return len(self._offsets)

    @property
    def end(self) -> int:
        """Where the data of the last one ends, bytes."""
        return self._offsets[-1] + self._sizes[-1] if self._offsets else 0

    @property
    def name_bytes(self) -> int:
        """Bytes of all names."""
        return len(self._names)

    def add(self, member: TarEntry) -> None:
        text = f"{member.name}\0{member.link}" if member.link else member.name
        self._names += text.encode("utf-8", "surrogateescape")
        self._ends.append(len(self._names))
        self._offsets.append(member.offset)
        self._sizes.append(member.size)
        kind = self._kind_numbers.get(member.kind)
        if kind is None:  # there are few
            kind = self._kind_numbers[member.kind] = len(self._kinds)
            self._kinds.append(member.kind)
        self._kind.append(kind)

    def entry(self, number: int) -> TarEntry:
        text = self._names[self._ends[number] : self._ends[number + 1]].decode("utf-8", "surrogateescape")
        name, _, link = text.partition("\0")
        return TarEntry(name, self._kinds[self._kind[number]], self._offsets[number], self._sizes[number], link)


class TarIndex:
    """What an archive holds; made by `index_tar`.

    Attributes:
        members: Number of members, directories left out.
        damage: What ended the archive early, or None.
        excess: Whether that is no damage but one of our limits.
    """

    def __init__(self) -> None:
        self.damage: TarDamage | None = None
        self.excess = False
        self._members = _Members()
        self._digests = bytearray()
        self._numbered = False  # whether any key looks like one that we might give
        self._order = np.zeros(0, np.uint32)  # numbers of members, those of one key together
        self._starts = np.zeros(0, np.int64)  # where in `_order` each key begins
        self._high = self._low = np.zeros(0, np.uint64)  # the halves of their digests, ascending

    @property
    def members(self) -> int:
        """Number of members, directories left out."""
        return len(self._members)

    def fill(self, descriptor: int, most: int, most_names: int) -> None:
        """Take in the members of an archive, up to a number of them and of the bytes of their names."""
        members, digests = self._members, self._digests
        last, digest = "", _digest("")
        for member in walk(descriptor):
            if isinstance(member, TarDamage):
                self.damage = member
                break
            if len(members) >= most or members.name_bytes > most_names:
                self.excess = True
                many = f"{most} members" if len(members) >= most else f"{most_names} bytes of names"
                reason = f"it has more than {many}, the limit for one shard; split it"
                self.damage = TarDamage(members.end, reason, member.name)
                break
            key, _ = split_member(member.name)
            if key != last:
                last, digest = key, _digest(key)
                self._numbered = self._numbered or "#" in key
            digests += digest
            members.add(member)
        self._sort()

    def _sort(self) -> None:
        keys = np.frombuffer(bytes(self._digests), np.uint64).reshape(-1, 2)
        self._digests.clear()
        order = np.lexsort((keys[:, 1], keys[:, 0]))  # stable: the members of a key stay in archive order
        keys = keys[order]
        first = np.ones(len(keys), bool)
        first[1:] = (keys[1:] != keys[:-1]).any(axis=1)
        self._order, self._starts = order.astype(np.uint32), np.flatnonzero(first)
        self._high, self._low = keys[first, 0], keys[first, 1]

    def groups(self) -> Iterator[Group]:
        """The members by key, in the order of their first members."""
        ends = np.append(self._starts[1:], len(self._order))
        ranks = np.argsort(self._order[self._starts])
        for at in range(0, len(ranks), _AT_ONCE):
            some = ranks[at : at + _AT_ONCE]
            for start, end in zip(self._starts[some].tolist(), ends[some].tolist(), strict=True):
                yield self._group(self._order[start:end].tolist())

    def _group(self, numbers: Sequence[int]) -> Group:
        group = Group("", {}, 0, Others(self._members))
        for number in numbers:
            entry = self._members.entry(number)
            if entry.kind != "file" or entry.name in group.files:
                group.others.add(number)
            elif len(group.files) < MAX_SAMPLE_FILES:
                group.files[entry.name] = entry
            else:
                group.more += 1
        group.key, _ = split_member(self._members.entry(numbers[0]).name)
        return group

    def has_key(self, key: str) -> bool:
        """Whether a key with a `#` in it is there."""
        if not self._numbered:
            return False
        high, low = np.frombuffer(_digest(key), np.uint64)
        start, end = (int(np.searchsorted(self._high, high, side)) for side in ("left", "right"))
        return bool((self._low[start:end] == low).any())


def _digest(key: str) -> bytes:
    return hashlib.blake2b(key.encode("utf-8", "surrogateescape"), digest_size=_DIGEST).digest()


def index_tar(descriptor: int, *, most: int = MAX_MEMBERS, most_names: int = MAX_NAMES) -> TarIndex:
    """Index an uncompressed tar.

    Args:
        descriptor: An open regular file.
        most: Members that are taken in at most; what lies beyond is said like damage.
        most_names: Bytes of their names at most, likewise.
    """
    index = TarIndex()
    index.fill(descriptor, most, most_names)
    return index

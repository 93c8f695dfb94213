"""How the input of a run grew since its partitions were frozen: what is new, changed, vanished."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from nemo_curator.shards.entry import Entry
from nemo_curator.shards.partitioning import Partition, partition


@dataclass(frozen=True, slots=True)
class Growth:
    """The frozen list of partitions beside what the input holds now.

    Attributes:
        partitions: The frozen ones, then new ones of the files that are new, each in source order.
        new: Ids of the partitions of new files.
        changed: Ids of the partitions with a file that is not, or may not be, what it was.
        changed_files: Ids of those files.
        vanished_files: Ids of the files that are not in the input any more.
        owners: Ids of the partitions of `changed_files`, one each.
    """

    partitions: tuple[Partition, ...]
    new: frozenset[str]
    changed: frozenset[str]
    changed_files: tuple[str, ...]
    vanished_files: tuple[str, ...]
    owners: tuple[str, ...] = ()

    @property
    def foreign(self) -> bool:
        """Whether no file of the run is in the input: it is another input altogether."""
        frozen = [one for one in self.partitions if one.id not in self.new]
        return bool(frozen) and len(self.vanished_files) == sum(len(one.entries) for one in frozen)


def grow(frozen: Sequence[Partition], entries: Sequence[Entry]) -> Growth:
    """Compare the frozen list with the files that are there now.

    Files are known by the name of their input and their path in it, so an input that moved as a whole is the same one;
    the places in the result are the present ones.

    Args:
        frozen: The partitions of the run, in source order; none for a run that begins.
        entries: What the input holds now, in source order.
    """
    there = {(entry.name, entry.path): entry for entry in entries}
    # an input gets a name only where it has company, and keeps its place
    places = {entry.location: entry for entry in entries}
    roots = {entry.name: entry.root for entry in entries if entry.root}
    known: set[tuple[str, str]] = set()
    changed: dict[str, None] = {}
    changed_files: list[str] = []
    owners: list[str] = []
    vanished: list[str] = []
    updated: list[Partition] = []
    for one in frozen:
        members: list[Entry] = []
        for old in one.entries:
            found = there.get((old.name, old.path)) or places.get(old.location)
            known.add((old.name, old.path) if found is None else (found.name, found.path))
            if found is None:
                vanished.append(old.image_id)
            elif _differs(old, found):
                changed[one.id] = None
                changed_files.append(old.image_id)
                owners.append(one.id)
            # what was scored stays on record until it is scored again; only the place is taken over
            members.append(_placed(old, found, roots))
        updated.append(Partition(tuple(members)))
    new = partition(entry for entry in entries if (entry.name, entry.path) not in known)
    return Growth(
        (*updated, *new),
        frozenset(one.id for one in new),
        frozenset(changed),
        tuple(changed_files),
        tuple(vanished),
        tuple(owners),
    )


def taken_over(growth: Growth, entries: Sequence[Entry], ids: Collection[str]) -> Growth:
    """The same with the files of some partitions as they are now, for a run that scores these again.

    Args:
        growth: The input beside what it was.
        entries: What the input holds now.
        ids: Those partitions.
    """
    there = {entry.location: entry for entry in entries}
    partitions = tuple(
        Partition(tuple(_renewed(entry, there.get(entry.location)) for entry in one.entries)) if one.id in ids else one
        for one in growth.partitions
    )
    return replace(growth, partitions=partitions)


def _renewed(old: Entry, found: Entry | None) -> Entry:
    """The entry as its file is now, under the name and path that its ids begin with."""
    return old if found is None else replace(found, name=old.name, path=old.path)


def _placed(old: Entry, found: Entry | None, roots: Mapping[str, str]) -> Entry:
    """The entry where it is now; one that vanished where it would be, so that its partition has one root."""
    if found is not None:
        return replace(old, location=found.location, root=found.root)
    if old.root == roots.get(old.name, ""):
        return old
    root = roots.get(old.name, old.root) if old.root else ""
    return replace(old, location=root + old.location.removeprefix(old.root), root=root)


def _differs(old: Entry, new: Entry) -> bool:
    """Whether a file may hold other bytes, or have other files beside it, than when it was listed first."""
    if old.size >= 0 and new.size >= 0 and old.size != new.size:
        return True
    touched = bool(old.version and new.version) and old.version != new.version
    return touched or old.sidecars != new.sidecars or old.kind != new.kind

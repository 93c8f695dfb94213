"""The members of a tar gathered into samples, before any of their data is read.

Costs about half a kilobyte of memory a member.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from nemo_curator.shards.names import split_member
from nemo_curator.shards.tar_headers import TarDamage, TarEntry, walk


@dataclass(slots=True)
class Group:
    """The members that share a key, wherever in the archive they lie.

    Attributes:
        key: The path up to the first dot of the base name, as in the archive.
        files: Its regular files by name, in archive order.
        others: What cannot be part of the sample (a name for the second time, links, devices, …), in archive order.
    """

    key: str
    files: dict[str, TarEntry] = field(default_factory=dict)
    others: list[TarEntry] = field(default_factory=list)


@dataclass(slots=True)
class TarIndex:
    """What an archive holds.

    Attributes:
        groups: By key, in the order of their first members.
        members: Number of members, directories left out.
        damage: What ended the archive early, or None.
    """

    groups: dict[str, Group] = field(default_factory=dict)
    members: int = 0
    damage: TarDamage | None = None


def index_tar(descriptor: int) -> TarIndex:
    """Index an uncompressed tar.

    Args:
        descriptor: An open regular file.
    """
    index = TarIndex()
    for member in walk(descriptor):
        if isinstance(member, TarDamage):
            index.damage = member
            break
        index.members += 1
        key, _ = split_member(member.name)
        group = index.groups.get(key)
        if group is None:
            group = index.groups[key] = Group(key)
        if member.kind == "file" and member.name not in group.files:
            group.files[member.name] = member
        else:
            group.others.append(member)
    return index

"""A tar to samples: headers first, then one sample's bytes at a time."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from nemo_curator.kernels.sniff import sniff
from nemo_curator.kernels.source import Member, Source
from nemo_curator.shards.fetched import UNFETCHED, reason_of
from nemo_curator.shards.limits import MAX_BYTES, over_limit, too_many_files
from nemo_curator.shards.names import is_tar_name, relative_path, shard_stem, split_member, to_text, with_name
from nemo_curator.shards.sample import Sample
from nemo_curator.shards.spool import OpenShard, open_shard
from nemo_curator.shards.tar_headers import TarDamage, TarEntry
from nemo_curator.shards.tar_index import Group, TarIndex, index_tar
from nemo_curator.storage import read_at

_NAMED = 5  # members that a sentence lists at most


def read_tar(
    location: str,
    *,
    root: str = "",
    name: str = "",
    max_bytes: int = MAX_BYTES,
    spool_dir: str | None = None,
    about_to_read: Callable[[int], None] = lambda _: None,
) -> Iterator[Sample]:
    """The samples of one shard, in the order of their first members, holding the bytes of one at a time.

    Members that share the path up to the first dot of the base name are one sample, adjacent or not. Image members
    are recognised by content; the first is the primary, everything else is a sidecar. What cannot be a sample is one
    with `error` set: `no_image`, `not_fetched` (a member `.unfetched` says why), `over_limit`, `unreadable`,
    `duplicate_member`, `unsupported_member` (links, devices, sparse files: never followed), `incomplete` (its last
    member is cut off), and for the shard itself, after all others and under its path with extension, `damaged_shard`
    (also where it has more members than `limits` allows) or `unreadable`. No input makes this raise.

    Args:
        location: Path or URL of a tar, plain or compressed with gzip or Zstandard.
        root: The input that it was found under; "" where it is an input itself.
        name: The input's name, which begins its ids, or "".
        max_bytes: Longest member that is read, bytes; a sample may have four times as much.
        spool_dir: Directory for the temporary file that a compressed or remote shard is unpacked to.
        about_to_read: Called before a sample's bytes are read, with how many there are.

    Raises:
        InputError: `location` does not lie under `root`.
        StorageError: There is no room to unpack it.
    """
    path = relative_path(location, root)
    source = Source(root=root, name=name, path=path, location=location)
    shard = _Shard(source, with_name(name, shard_stem(path)), max_bytes, about_to_read)
    try:
        with open_shard(location, spool_dir=spool_dir) as opened:
            index = index_tar(opened.descriptor)
            for group in index.groups():
                yield from shard.samples(opened.descriptor, group, index)
            yield from shard.damages(opened, index)
    except OSError as error:
        yield shard.failed("unreadable", f"the shard cannot be opened: {error.strerror or error}")


@dataclass(frozen=True, slots=True)
class _Shard:
    """A shard as its samples see it.

    Attributes:
        source: Its place, without key and members.
        stem: What the ids of its samples begin with.
        max_bytes: Longest member that is read.
        about_to_read: Told how many bytes of a sample are read next.
    """

    source: Source
    stem: str
    max_bytes: int
    about_to_read: Callable[[int], None]

    def samples(self, descriptor: int, group: Group, index: TarIndex) -> Iterator[Sample]:
        """The sample of a key, and a record for each member that could not be part of it."""
        image_id = f"{self.stem}/{to_text(group.key)}"
        if group.files:
            sample = self._sample(descriptor, image_id, group)
            cut = index.damage.member if index.damage else ""
            # the image may be what is cut off
            if sample.error in {"", "no_image"} and index.damage and cut and split_member(cut)[0] == group.key:
                sample.image = b""
                why = "the shard is read in part" if index.excess else "the shard is damaged"
                sample.error, sample.detail = "incomplete", f"{why}: {index.damage.reason}"
            yield sample
        number = 2 if group.files else 1
        for entry in group.others:
            while number > 1 and index.has_key(f"{group.key}#{number}"):
                number += 1
            yield self._other(descriptor, image_id if number == 1 else f"{image_id}#{number}", group.key, entry)
            number += 1

    def damages(self, opened: OpenShard, index: TarIndex) -> Iterator[Sample]:
        """The one record of what is wrong with the shard as a whole, if anything is."""
        if not (opened.damage or index.damage):
            return
        found = index.damage or TarDamage(-1, "")
        reasons = "; ".join(dict.fromkeys(reason for reason in (opened.damage, found.reason) if reason))
        if index.excess:
            where = f"read to byte {found.position} of the tar, {index.members} members"
        elif index.damage:
            where = f"damaged at byte {found.position} of the tar, after {index.members} whole members"
        else:
            where = f"damaged at its end, after {index.members} whole members"
        yield self.failed("damaged_shard", f"{where}: {reasons}")

    def failed(self, error: str, detail: str) -> Sample:
        """A record about the shard as a whole."""
        return Sample(with_name(self.source.name, self.source.path), self.source, error=error, detail=detail)

    def _sample(self, descriptor: int, image_id: str, group: Group) -> Sample:
        entries = group.files.values()
        excess = too_many_files(len(entries) + group.more) or over_limit(
            ((to_text(entry.name), entry.size) for entry in entries), self.max_bytes
        )
        if excess:
            return self._unread(image_id, group, "over_limit", excess)
        members: list[Member] = []
        contents: list[bytes] = []
        self.about_to_read(sum(entry.size for entry in entries))
        for entry in entries:
            data, problem = _data(descriptor, entry)
            if problem:
                return self._unread(image_id, group, "unreadable", f"{to_text(entry.name)}: {problem}")
            contents.append(data)
            members.append(_member(entry, hashlib.sha256(data).hexdigest()))
        primary = next((at for at, data in enumerate(contents) if sniff(data[:64])), -1)
        sample = Sample(image_id, self._with(group.key, members, primary))
        sample.sidecars = {members[at].name: data for at, data in enumerate(contents) if at != primary}
        unfetched = next((at for at, member in enumerate(members) if member.extension == UNFETCHED), -1)
        if primary < 0 and unfetched >= 0:
            sample.error, sample.detail = "not_fetched", reason_of(contents[unfetched])
        elif primary < 0:
            sample.error, sample.detail = "no_image", _no_image(members)
        else:
            sample.image = contents[primary]
        return sample

    def _unread(self, image_id: str, group: Group, error: str, detail: str) -> Sample:
        """A sample whose bytes are not known."""
        members = [_member(entry, "") for entry in group.files.values()]
        return Sample(image_id, self._with(group.key, members), error=error, detail=detail)

    def _other(self, descriptor: int, image_id: str, key: str, entry: TarEntry) -> Sample:
        """A member that is a record of its own."""
        sample = Sample(image_id, self._with(key, [_member(entry, "")]))
        name = to_text(entry.name)
        if entry.kind != "file":
            to = f" to {to_text(entry.link)!r}" if entry.link else ""
            sample.error, sample.detail = "unsupported_member", f"{name} is a {entry.kind}{to}"
            return sample
        sample.error = "duplicate_member"
        sample.detail = f"the name {name} is there twice; this is the one at byte {entry.offset}"
        if entry.size <= self.max_bytes:
            self.about_to_read(entry.size)
            data, problem = _data(descriptor, entry)
            sha256 = "" if problem else hashlib.sha256(data).hexdigest()
            sample.source = self._with(key, [_member(entry, sha256)])
        return sample

    def _with(self, key: str, members: Sequence[Member], primary: int = -1) -> Source:
        shard = self.source
        return Source(shard.root, shard.name, shard.path, to_text(key), tuple(members), primary, shard.location)


def _data(descriptor: int, entry: TarEntry) -> tuple[bytes, str]:
    """A member's bytes, and why they are not whole, or ""."""
    try:
        data = read_at(descriptor, entry.offset, entry.size)
    except OSError as error:
        return b"", error.strerror or str(error)
    return data, "" if len(data) == entry.size else "the shard changed while it was read"


def _member(entry: TarEntry, sha256: str) -> Member:
    return Member(to_text(entry.name), to_text(split_member(entry.name)[1]), entry.offset, entry.size, sha256)


def _no_image(members: Sequence[Member]) -> str:
    named = [f"{member.name}{'' if member.length else ' (0 bytes)'}" for member in members[:_NAMED]]
    more = f" and {len(members) - _NAMED} more" if len(members) > _NAMED else ""
    inner = any(is_tar_name(member.name) for member in members)
    act = "; a tar inside a tar is not read: unpack it and name it as an input" if inner else ""
    return f"no member is an image: {', '.join(named)}{more}{act}"

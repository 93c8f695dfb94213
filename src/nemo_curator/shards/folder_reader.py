"""Loose files to samples: every image file with the sidecars beside it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from nemo_curator import storage
from nemo_curator.errors import LimitError, NotAnImageError, SampleError, UnreadableError
from nemo_curator.kernels.sniff import HEAD_BYTES, looks_like, sniff
from nemo_curator.kernels.source import Member, Source
from nemo_curator.shards.entry import Entry
from nemo_curator.shards.limits import MAX_BYTES, over_limit, too_many_files
from nemo_curator.shards.names import beside, split_loose
from nemo_curator.shards.sample import Sample


def read_loose(
    entries: Iterable[Entry], *, max_bytes: int = MAX_BYTES, about_to_read: Callable[[int], None] = lambda _: None
) -> Iterator[Sample]:
    """One sample for each entry, in order, holding the bytes of one at a time.

    What cannot be a sample is one with `error` set: `not_an_image` (by content; also an empty file, a stray),
    `over_limit`, or `unreadable` (gone, forbidden, no regular file, changed while read; also where a sidecar is).
    Nothing that a file contains or lacks makes this raise.

    Args:
        entries: Loose files with their sidecars; tars belong to `read_tar`.
        max_bytes: Longest file that is read, bytes; a sample may have four times as much.
        about_to_read: Called before a file of a sample is read, with how many bytes of the sample there will be then.
    """
    for entry in entries:
        yield _sample(entry, max_bytes, about_to_read)


def _sample(entry: Entry, max_bytes: int, about_to_read: Callable[[int], None]) -> Sample:
    members: list[Member] = []
    contents: list[bytes] = []
    error, detail, primary, held = "", "", -1, 0
    try:
        excess = too_many_files(1 + len(entry.sidecars))
        if excess:
            raise LimitError(excess)
        for path in (entry.path, *entry.sidecars):
            data = _load(beside(entry.location, path), path, members, (max_bytes, held), about_to_read)
            contents.append(data)
            held += len(data)
        primary = 0
    except SampleError as problem:
        error, detail = problem.code, str(problem)
    source = Source(
        root=entry.root,
        name=entry.name,
        path=entry.path,
        key=split_loose(entry.path)[0],
        members=tuple(members),
        primary=primary,
        location=entry.location,
    )
    if error:
        return Sample(entry.image_id, source, error=error, detail=detail)
    sidecars = {member.name: data for member, data in zip(members[1:], contents[1:], strict=True)}
    return Sample(entry.image_id, source, contents[0], sidecars)


def _no_image(head: bytes) -> str:
    if not head:
        return "the file is empty (0 bytes)"
    what = looks_like(head)
    return f"its first bytes are of no known image format{f', but look like {what}' if what else ''}"


def _load(
    location: str, path: str, members: list[Member], bounds: tuple[int, int], about_to_read: Callable[[int], None]
) -> bytes:
    """The bytes of the next file of a sample, whose first is the image; appends what is known of it to `members`.

    `bounds` are the most bytes that it may have, and how many bytes those before it have.

    Raises:
        SampleError: Why the sample cannot be used.
    """
    max_bytes, before = bounds
    try:
        with storage.open(location) as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(0)
            head = file.read(HEAD_BYTES)
            is_image = sniff(head) is not None
            members.append(Member(path, split_loose(path)[1], 0, size))
            excess = over_limit([(path, size)], max_bytes, before=before)
            if not excess:
                about_to_read(before + size)
            data = b"" if excess else head + file.read(max(0, size + 1 - len(head)))  # one more byte shows growth
    except OSError as error:
        raise UnreadableError(f"{path}: {error.strerror or error}") from error
    if not excess:
        members[-1] = replace(members[-1], sha256=hashlib.sha256(data).hexdigest())
    if len(members) == 1 and not is_image:
        raise NotAnImageError(f"{path}: {_no_image(head)}")
    if excess:
        raise LimitError(excess)
    if len(data) != size:
        raise UnreadableError(f"{path}: the file changed while it was read")
    return data

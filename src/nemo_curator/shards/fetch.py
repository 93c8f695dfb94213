"""Samples' bytes once more, without decoding anything: what an export copies.

Every file is checked against the hash that was taken when it was first read, so that what leaves is what was scored.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from nemo_curator import storage
from nemo_curator.errors import InputError
from nemo_curator.kernels.source import Member
from nemo_curator.shards.decompress import HEAD_BYTES, is_compressed
from nemo_curator.shards.names import beside
from nemo_curator.shards.spool import open_shard

_GAP = 1 << 16  # bytes between two members that are cheaper to read over than to ask for anew
_RUN = 1 << 24  # bytes that one request asks for at most, unless one member is longer

ReadRange = Callable[[int, int], bytes]


def read_members(location: str, members: Sequence[Member]) -> Iterator[bytes]:
    """The bytes of `members`, in their order.

    Opens (and for a compressed shard unpacks) the shard once; to read many samples of one shard, give all their
    members at once or use a `MemberReader`.

    Args:
        location: Path or URL of the shard, or of the primary file of a loose sample.
        members: As recorded in `Source.members`.

    Raises:
        InputError: A file is gone, or its bytes are not the ones that were hashed.
        StorageError: There is no room to unpack a compressed shard.
    """
    with MemberReader() as reader:
        yield from reader.read(location, members)


class MemberReader:
    """Reads the members of many samples, keeping the last shard open. A context manager; of one thread."""

    def __init__(self) -> None:
        self._open = ExitStack()
        self._location = ""
        self._read_range: ReadRange = _nothing_open

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def read(self, location: str, members: Sequence[Member]) -> Iterator[bytes]:
        """The bytes of `members`, in their order; see `read_members`."""
        # data in a tar begins behind a header, so offset 0 means a file of its own
        if all(member.offset == 0 for member in members):
            for member in members:
                yield _checked(location, member, self._loose(location, member))
            return
        try:
            self._switch(location)
        except OSError as error:
            raise _gone(location, error) from error
        for run in _runs(members):
            start = run[0].offset
            try:
                data = self._read_range(start, run[-1].offset + run[-1].length - start)
            except OSError as error:
                raise _gone(location, error) from error
            for member in run:
                begin = member.offset - start
                yield _checked(location, member, data[begin : begin + member.length])

    def _switch(self, location: str) -> None:
        if location == self._location:
            return
        self._open.close()
        self._location = ""
        if storage.is_local(location) or is_compressed(storage.read_range(location, 0, HEAD_BYTES)):
            descriptor = self._open.enter_context(open_shard(location)).descriptor
            self._read_range = lambda offset, length: storage.read_at(descriptor, offset, length)
        else:
            self._read_range = lambda offset, length: storage.read_range(location, offset, length)
        self._location = location

    @staticmethod
    def _loose(location: str, member: Member) -> bytes:
        path = beside(location, member.name)
        try:
            with storage.open(path) as file:
                return file.read(member.length + 1)  # one more byte shows that the file grew
        except OSError as error:
            raise _gone(path, error) from error


def _runs(members: Sequence[Member]) -> Iterator[list[Member]]:
    """`members` in groups that lie close behind one another, so that each is one request."""
    run: list[Member] = []
    for member in members:
        if run:
            gap = member.offset - (run[-1].offset + run[-1].length)
            if not 0 <= gap <= _GAP or member.offset + member.length - run[0].offset > _RUN:
                yield run
                run = []
        run.append(member)
    if run:
        yield run


def _checked(location: str, member: Member, data: bytes) -> bytes:
    if len(data) == member.length and (not member.sha256 or hashlib.sha256(data).hexdigest() == member.sha256):
        return data
    raise InputError(
        "its bytes are not the ones that were read and scored",
        where=f"{location}#{member.name}",
        cause="the file has changed since",
        act="bring the file back, or run again with --replace on the changed input",
    )


def _gone(location: str, error: OSError) -> InputError:
    return InputError(
        "it cannot be read any more",
        where=location,
        cause=error.strerror or str(error),
        act="bring it back, or run again without it",
    )


def _nothing_open(offset: int, length: int) -> bytes:
    raise AssertionError(f"no shard is open to read {length} bytes at {offset}")

"""Samples' bytes once more, without decoding anything: what an export copies.

Every file is checked against the hash that was taken when it was first read, so that what leaves is what was scored.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from itertools import groupby
from types import TracebackType
from typing import Self

import pyarrow as pa

from nemo_curator import storage
from nemo_curator.errors import InputError
from nemo_curator.kernels.source import Member
from nemo_curator.shards.arrow_rows import is_arrow_head
from nemo_curator.shards.decompress import HEAD_BYTES, is_compressed
from nemo_curator.shards.names import beside, is_arrow_name, is_fragment_name, is_parquet_name
from nemo_curator.shards.rows_of_images import Rows, open_rows
from nemo_curator.shards.spool import open_shard

_GAP = 1 << 16  # bytes between two members that are cheaper to read over than to ask for anew
_RUN = 1 << 22  # bytes that one request asks for at most, unless one member is longer
_LOCAL_RUN = 1 << 18  # here, asking costs little, and what is read should still be in the cache when it is hashed
_PARQUET = b"PAR1"
_OPEN = 64  # descriptors; a process may have 256 or more

ReadRange = Callable[[int, int], bytes]
"""(offset, length) to the bytes there, fewer where the file ends before."""


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
    """Reads the members of many samples, keeping some shards open. A context manager; of one thread.

    Of plain local shards the `_OPEN` last ones stay open, of those that had to be unpacked the last, and the last
    Parquet or Arrow stream: its rows are read from the front, so that it pays to ask for them in order.

    Args:
        unpacked: Location to what reads ranges of it, for shards that the caller has unpacked; the offsets of members
            that are asked for there are the caller's.
    """

    def __init__(self, unpacked: Mapping[str, ReadRange] | None = None) -> None:
        self._unpacked = dict(unpacked or {})
        self._open: OrderedDict[str, tuple[ExitStack, ReadRange]] = OrderedDict()
        self._spooled = ""
        self._plain: set[str] = set()  # remote shards that are known to be read by ranges
        self._parquets: dict[str, bool] = {}  # names of tables, to whether they are some
        self._rows: tuple[str, ExitStack, Rows | None] = ("", ExitStack(), None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        while self._open:
            self._close(next(iter(self._open)))
        self._rows[1].close()

    def read(self, location: str, members: Sequence[Member]) -> Iterator[bytes]:
        """The bytes of `members`, in their order; see `read_members`."""
        # data in a tar begins behind a header, so offset 0 means a file of its own
        if all(member.offset == 0 for member in members):
            for member in members:
                yield _checked(location, member, self._loose(location, member))
            return
        if location not in self._unpacked and self._is_parquet(location):
            yield from self._from_parquet(location, members)
            return
        try:
            read_range = self._reader(location)
        except OSError as error:
            raise _gone(location, error) from error
        limit = _LOCAL_RUN if location in self._open or location in self._unpacked else _RUN
        for run in _runs(members, limit):
            start = run[0].offset
            try:
                data = read_range(start, run[-1].offset + run[-1].length - start)
            except OSError as error:
                raise _gone(location, error) from error
            for member in run:
                begin = member.offset - start
                yield _checked(location, member, data[begin : begin + member.length])

    def _is_parquet(self, location: str) -> bool:
        if is_fragment_name(location):
            return True
        if location not in self._parquets and (is_parquet_name(location) or is_arrow_name(location)):
            try:
                head = storage.read_range(location, 0, len(_PARQUET))
                self._parquets[location] = is_arrow_head(head) if is_arrow_name(location) else head == _PARQUET
            except OSError as error:
                raise _gone(location, error) from error
        return self._parquets.get(location, False)

    def _from_parquet(self, location: str, members: Sequence[Member]) -> Iterator[bytes]:
        """Members that each stand in the row that their offset says."""
        try:
            rows = self._rows_of(location)
            for place, its in groupby(members, key=lambda member: member.offset):
                row = rows.row(place - 1) if rows is not None else None
                files = {one.name: one.data for one in row.files} if row is not None else {}
                for member in its:
                    data = files.get(member.name)
                    fits = data is not None and data.size == member.length
                    yield _checked(location, member, data.to_pybytes() if data is not None and fits else b"")
        except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
            raise _gone(location, error) from error

    def _rows_of(self, location: str) -> Rows | None:
        """The rows of a Parquet, which stays open for the next sample; None where it holds no images any more."""
        if self._rows[0] != location:
            self._rows[1].close()
            self._rows = "", ExitStack(), None
            with ExitStack() as stack:
                rows = stack.enter_context(open_rows(location))
                self._rows = location, stack.pop_all(), rows
        return self._rows[2]

    def _reader(self, location: str) -> ReadRange:
        """What reads ranges of a shard, which stays open for the next sample."""
        if location in self._unpacked:
            return self._unpacked[location]
        if location in self._open:
            self._open.move_to_end(location)
            return self._open[location][1]
        known = storage.is_local(location) or location in self._plain
        known = known or not storage.reads_ranges(location)  # then it is had whole, as one that must be unpacked
        if not known and not is_compressed(storage.read_range(location, 0, HEAD_BYTES)):
            self._plain.add(location)
        if location in self._plain:
            return partial(storage.read_range, location)
        if self._spooled:  # its temporary file may be large
            self._close(self._spooled)
        while len(self._open) >= _OPEN:
            self._close(next(iter(self._open)))
        stack = ExitStack()
        shard = stack.enter_context(open_shard(location))
        self._open[location] = stack, partial(storage.read_at, shard.descriptor)
        self._spooled = location if shard.spooled else self._spooled
        return self._open[location][1]

    def _close(self, location: str) -> None:
        self._open.pop(location)[0].close()
        if location == self._spooled:
            self._spooled = ""

    @staticmethod
    def _loose(location: str, member: Member) -> bytes:
        path = beside(location, member.name)
        try:
            with storage.open(path) as file:
                return file.read(member.length + 1)  # one more byte shows that the file grew
        except OSError as error:
            raise _gone(path, error) from error


def _runs(members: Sequence[Member], limit: int) -> Iterator[list[Member]]:
    """`members` in groups that lie close behind one another, so that each is one request."""
    run: list[Member] = []
    for member in members:
        if run:
            gap = member.offset - (run[-1].offset + run[-1].length)
            if not 0 <= gap <= _GAP or member.offset + member.length - run[0].offset > limit:
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
        act="bring the file back, or score what changed with `run` or `score` and --rescore",
    )


def _gone(location: str, error: Exception) -> InputError:
    return InputError(
        "it cannot be read any more",
        where=location,
        cause=getattr(error, "strerror", None) or " ".join(str(error).split()),
        act="bring it back, or run again without it",
    )

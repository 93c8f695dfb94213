"""Kept members of shards that are read from the front, unpacked once for an export that takes another order."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt

from nemo_curator import storage
from nemo_curator.errors import InputError
from nemo_curator.kernels.source import Member
from nemo_curator.runs.exporting.copying import members_of, strings_of, unavailable
from nemo_curator.runs.exporting.plan import ExportPlan
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.parts import read_part
from nemo_curator.shards.decompress import HEAD_BYTES, is_compressed
from nemo_curator.shards.fetch import MemberReader
from nemo_curator.shards.names import is_arrow_name, is_fragment_name, is_parquet_name
from nemo_curator.shards.partitioning import Partition


class Unpacked:
    """The kept bytes of compressed tars and Parquet files in one temporary file without a name. A context manager.

    Of one thread.

    Only a shuffled export needs it; with any other it stays empty.

    Args:
        run: The run.
        partitions: Its partitions, in source order.
        plan: The export.
        needed: `(N,)` which kept samples are needed.
        skip: Whether a sample that cannot be had is passed over; what reads it later says so.
    """

    def __init__(
        self,
        run: RunDirectory,
        partitions: Sequence[Partition],
        plan: ExportPlan,
        needed: npt.NDArray[np.bool_],
        *,
        skip: bool,
    ) -> None:
        self._run, self._partitions, self._plan, self._needed, self._skip = run, partitions, plan, needed, skip
        self._places: npt.NDArray[np.int64] | None = None
        self._stack = ExitStack()
        self._size = 1  # an offset of 0 means a file of its own
        self._descriptor = -1
        self.locations: set[str] = set()
        """Shards that are unpacked here."""

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.push(self.__exit__)
            if self._plan.settings.shuffle is not None:
                self._fill()
            stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def read_at(self, offset: int, length: int) -> bytes:
        """Bytes of the temporary file."""
        return storage.read_at(self._descriptor, offset, length)

    def members(self, number: int, members: Sequence[Member]) -> Sequence[Member]:
        """The members of a kept sample as they lie in the temporary file, where they do.

        A sample that could not be had has members of no bytes there, which no hash fits.
        """
        if self._places is None or self._places[number] == 0:
            return members
        offset = int(self._places[number])
        found = []
        for member in members:
            found.append(replace(member, offset=offset))
            offset += member.length
        return found

    def _fill(self) -> None:
        file = None
        with MemberReader() as reader:
            for owner, partition in enumerate(self._partitions):
                first, last = self._plan.starts[owner : owner + 2].tolist()
                wanted = np.flatnonzero(self._needed[first:last])
                entries = {one.path: one.location for one in partition.entries if one.is_shard}
                if not len(wanted) or not any(_is_packed(location) for location in entries.values()):
                    continue
                if file is None:
                    temporary = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 (the stack closes it)
                    file = self._stack.enter_context(temporary)
                    self._descriptor = file.fileno()
                    self._places = np.zeros(self._plan.samples, np.int64)
                self._copy(reader, partition, entries, first + wanted)

    def _copy(
        self, reader: MemberReader, partition: Partition, entries: dict[str, str], numbers: npt.NDArray[np.int64]
    ) -> None:
        assert self._places is not None  # noqa: S101 (made by `_fill`)
        part = read_part(self._run, partition.id, ["image_id", "source", "members"])
        rows = part.take(self._plan.positions[numbers])
        ids, sources = strings_of(rows, "image_id"), strings_of(rows, "source")
        for number, image_id, source, members in zip(numbers.tolist(), ids, sources, members_of(rows), strict=True):
            location = entries[source]
            self.locations.add(location)
            self._places[number] = self._size
            try:
                for data in reader.read(location, members):
                    self._write(data)
            except InputError as error:
                if not self._skip:
                    raise unavailable(error, image_id) from error
                self._places[number] = np.iinfo(np.int64).max // 2  # behind any end: nothing is read there

    def _write(self, data: bytes) -> None:
        try:
            rest = memoryview(data)
            while rest:
                written = os.pwrite(self._descriptor, rest, self._size)
                rest, self._size = rest[written:], self._size + written
        except OSError as error:
            raise storage.storage_error(f"{tempfile.gettempdir()} (room to shuffle in)", error) from error


def _is_packed(location: str) -> bool:
    """Whether a sample in the middle costs what lies before it: of a Parquet a row group is read for one row."""
    try:
        return (
            is_parquet_name(location)
            or is_arrow_name(location)
            or is_fragment_name(location)
            or is_compressed(storage.read_range(location, 0, HEAD_BYTES))
        )
    except OSError:
        return False

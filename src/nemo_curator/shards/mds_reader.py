"""Values of an MDS shard by the number of their sample. Whatever the file claims, no more of it is read than it has."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from nemo_curator import storage
from nemo_curator.shards.mds_format import MdsColumn

_MOST_HEAD = 1 << 24  # bytes of the JSON that names the columns


class MdsDamageError(ValueError):
    """A file is no MDS shard, or a torn one."""


class MdsFile:
    """An MDS shard, uncompressed.

    Args:
        descriptor: Of a regular local file; it is read at places, and stays open.
        size: Bytes of the file.

    Attributes:
        columns: Its columns, in their order.
        samples: How many samples it has.

    Raises:
        MdsDamageError: It is none.
        OSError: It cannot be read.
    """

    def __init__(self, descriptor: int, size: int) -> None:
        self._descriptor = descriptor
        self.samples = int(self._numbers(0, 1)[0])
        front = 4 * (self.samples + 2)
        if front > size:
            raise MdsDamageError(f"it says that it has {self.samples:,} samples, for which it is too short")
        self._places = self._numbers(4, self.samples + 1).astype(np.int64)
        begin, end = int(self._places[0]), int(self._places[-1])
        if begin < front or begin - front > _MOST_HEAD or end != size or (np.diff(self._places) < 0).any():
            raise MdsDamageError("the places of its samples are not those of a file of its length")
        self.columns = _columns(storage.read_at(descriptor, front, begin - front))
        self._position = {one.name: at for at, one in enumerate(self.columns)}
        self._of_own_size = sum(one.size is None for one in self.columns)

    def value(self, index: int, name: str) -> bytes:
        """One value of a sample, as it is encoded.

        Raises:
            KeyError: There is no such column.
            MdsDamageError: The lengths of the sample's values are not right.
        """
        start, stop = self.place(index, name)
        return storage.read_at(self._descriptor, start, stop - start)

    def values(self, index: int) -> dict[str, bytes]:
        """All values of a sample, by column, as they are encoded.

        Raises:
            MdsDamageError: Their lengths are not right.
        """
        bounds = self._bounds(index)
        start = int(bounds[0])
        data = storage.read_at(self._descriptor, start, int(bounds[-1]) - start)
        each = zip(self.columns, bounds[:-1].tolist(), bounds[1:].tolist(), strict=True)
        return {column.name: data[first - start : last - start] for column, first, last in each}

    def place(self, index: int, name: str) -> tuple[int, int]:
        """Where a value of a sample begins in the file, and where it ends; raises as `value`."""
        bounds, at = self._bounds(index), self._position[name]
        return int(bounds[at]), int(bounds[at + 1])

    def _bounds(self, index: int) -> Any:
        """Where each value of a sample begins, and where the last ends."""
        begin, end = int(self._places[index]), int(self._places[index + 1])
        if end - begin < 4 * self._of_own_size:
            raise MdsDamageError(f"sample {index:,} is too short for its columns")
        own = iter(self._numbers(begin, self._of_own_size).tolist())
        sizes = [next(own) if one.size is None else one.size for one in self.columns]
        bounds = begin + 4 * self._of_own_size + np.cumsum([0, *sizes], dtype=np.int64)
        if bounds[-1] != end:
            raise MdsDamageError(f"the values of sample {index:,} do not add up to its length")
        return bounds

    def _numbers(self, offset: int, count: int) -> Any:
        data = storage.read_at(self._descriptor, offset, 4 * count)
        if len(data) != 4 * count:
            raise MdsDamageError("it ends too early")
        return np.frombuffer(data, "<u4")


def _columns(text: bytes) -> tuple[MdsColumn, ...]:
    """The columns that a head names."""
    try:
        said = json.loads(text)
        names, encodings, sizes = (said[f"column_{one}"] for one in ("names", "encodings", "sizes"))
        columns = tuple(MdsColumn(*one) for one in zip(names, encodings, sizes, strict=True))
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise MdsDamageError(f"its head names no columns ({type(error).__name__})") from None
    for one in columns:
        if not isinstance(one.name, str) or not isinstance(one.encoding, str):
            raise MdsDamageError("a column has no name, or no encoding")
        if one.size is not None and (type(one.size) is not int or not 0 < one.size <= 1 << 32):
            raise MdsDamageError(f"the column {one.name!r} has no length")
    if len({one.name for one in columns}) != len(columns):
        raise MdsDamageError("two columns have one name")
    return columns

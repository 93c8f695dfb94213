"""An MDS shard that is the same bytes for the same samples, whoever writes it and when."""

from __future__ import annotations

import tempfile
from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Self

import numpy as np

from nemo_curator import storage
from nemo_curator.errors import InputError
from nemo_curator.shards.mds_format import MOST_BYTES, MdsColumn, head

_IN_MEMORY = 1 << 26  # bytes of samples; where there are more, they wait in a temporary file
_PIECE = 1 << 20


class MdsWriter:
    """Gathers samples, and writes the file when all are there: its front says how many there are, and where each lies.

    A context manager; of one thread.

    Args:
        columns: The columns, in their order.
    """

    def __init__(self, columns: Sequence[MdsColumn]) -> None:
        self._columns = tuple(columns)
        self._ends = array("Q", [0])
        self._spool = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115  closed at the block's end

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._spool.close()

    @property
    def samples(self) -> int:
        """Samples so far."""
        return len(self._ends) - 1

    def add(self, values: Sequence[bytes]) -> None:
        """Append a sample.

        Args:
            values: One a column, encoded.

        Raises:
            ValueError: These are not as many values as columns, or one has not the length that its column says.
            InputError: The shard gets longer than its format can say.
            StorageError: There is no room for temporary files.
        """
        sizes = []
        for column, value in zip(self._columns, values, strict=True):
            if column.size is None:
                sizes.append(len(value))
            elif column.size != len(value):
                raise ValueError(f"a value of {column.name} has {len(value)} bytes, not {column.size}")
        end = self._ends[-1] + 4 * len(sizes) + sum(map(len, values))
        front = 4 * (len(self._ends) + 2) + len(head(self._columns))
        if front + end > MOST_BYTES:
            raise InputError(
                "a shard gets longer than 4 GiB, which the format mds has no numbers for",
                act="give a smaller --shard-size, or --shard-bytes",
            )
        with _room():
            self._spool.write(np.array(sizes, "<u4").tobytes())
            self._spool.writelines(values)
        self._ends.append(end)

    def write_to(self, write: Callable[[bytes], object]) -> None:
        """Write the whole file; nothing can be added afterwards.

        Args:
            write: Takes its bytes, from the front to the end.
        """
        said = head(self._columns)
        front = 4 * (len(self._ends) + 1) + len(said)
        places = np.array(self._ends, np.uint64) + np.uint64(front)
        write(np.array([self.samples], "<u4").tobytes() + places.astype("<u4").tobytes() + said)
        with _room():
            self._spool.seek(0)
        while piece := self._read():
            write(piece)

    def _read(self) -> bytes:
        with _room():
            return self._spool.read(_PIECE)


@contextmanager
def _room() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise storage.storage_error(f"{tempfile.gettempdir()} (room to gather a shard)", error) from error

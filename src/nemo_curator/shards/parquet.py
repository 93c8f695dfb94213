"""Parquet files to tables.

Arrow gets files of this machine as files of its own, never as Python's: its threads may still hold a buffer when the
interpreter ends, and giving a Python buffer back then ends the process with an abort. Nor does it read them ahead: what
it has read ahead stays in memory until the file is closed, which is all of it behind the last row.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from nemo_curator import storage

_FOOTER = 1 << 16
"""Bytes of the end of a Parquet that are asked for where its footer alone is wanted: a part's has some thousand."""

_LONGEST = 1 << 26  # bytes of a footer; what says that it is longer is damaged
_MAGIC = b"PAR1"


def read_footer(url: str) -> pq.FileMetaData:
    """What the end of a Parquet says, in one request where it lies elsewhere; nothing else of it is read.

    Raises:
        OSError: There is no such file, or it is no regular file.
        pyarrow.ArrowInvalid: Its end is torn or damaged.
    """
    if storage.is_local(url):
        with storage.open(url) as file:
            return pq.read_metadata(file)
    end = storage.read_end(url, _FOOTER)
    length = int.from_bytes(end[-8:-4], "little") + 8
    if end.endswith(_MAGIC) and len(end) == _FOOTER < length <= _LONGEST:
        end = storage.read_end(url, length)
    return pq.read_metadata(pa.BufferReader(end))


@contextmanager
def open_parquet(url: str, *, buffer_size: int = 0) -> Iterator[pq.ParquetFile]:
    """An open Parquet, whose pages are checked against their checksums as they are read.

    Args:
        url: Path or URL.
        buffer_size: Bytes of a column that are read at a time; by default all that a row group has of it.

    Raises:
        OSError: There is no such file, or it is no regular file.
        pyarrow.ArrowInvalid: It is torn or damaged.
    """
    with storage.open(url, from_end=True) as file:
        if not storage.is_local(url):
            ahead = not buffer_size  # few large requests
            with pq.ParquetFile(
                file, buffer_size=buffer_size, pre_buffer=ahead, page_checksum_verification=True
            ) as parquet:
                yield parquet
            return
        path: Any = os.fsencode(storage.local_path(url))  # names need not be UTF-8; Arrow's stubs know text alone
        with (
            pa.OSFile(path, "r") as native,
            pq.ParquetFile(
                native, buffer_size=buffer_size, pre_buffer=False, page_checksum_verification=True
            ) as parquet,
        ):
            yield parquet


def read_table(url: str, columns: Sequence[str] | None = None) -> pa.Table:
    """The rows of a Parquet, all columns or some; a column that it does not have is left out.

    Args:
        url: Path or URL.
        columns: Names of columns.

    Raises:
        OSError: There is no such file.
        pyarrow.ArrowInvalid: It is torn or damaged.
    """
    with open_parquet(url) as parquet:
        there = set(parquet.schema_arrow.names)
        wanted = [name for name in columns if name in there] if columns is not None else None
        return parquet.read(columns=wanted)

"""An Arrow stream of images, as `datasets` saves them to disk, as rows, each of which is the files of one sample.

The file is mapped, and every batch is checked before it is looked at: what is in memory is what a row holds.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import accumulate
from typing import Any

import pyarrow as pa

from nemo_curator import storage
from nemo_curator.shards.arrow_messages import StreamFacts, stream_facts
from nemo_curator.shards.names import to_text
from nemo_curator.shards.parquet_rows import Row, row_of
from nemo_curator.shards.parquet_schema import ImageColumns, image_columns
from nemo_curator.shards.rows_in_order import RowsInOrder
from nemo_curator.shards.spool import open_shard

_CONTINUED = b"\xff\xff\xff\xff"
_HEAD = 1 << 20  # bytes of the first message, which names the columns
_LONGEST_FIXED = 1 << 16  # values of a list of fixed size: one of nothing takes no room in a file
_WITHOUT_CHILDREN = (
    *(pa.types.is_boolean, pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, pa.types.is_temporal),
    *(pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary),
    *(pa.types.is_fixed_size_binary,),
)


class ArrowRows:
    """The rows of a mapped stream of images. Of one thread.

    Args:
        source: The file.
        facts: What its headers say.
        columns: Which of its columns make samples.

    Attributes:
        count: How many rows it says that it has.
    """

    def __init__(self, source: pa.Buffer, facts: StreamFacts, columns: ImageColumns) -> None:
        self._source, self._facts, self._columns = source, facts, columns
        self._ends = list(accumulate(facts.rows))
        self.count: int = self._ends[-1] if self._ends else 0
        self._rows = RowsInOrder(self.read_from)

    def excess(self) -> str:
        """Why the file is not read, or ""."""
        if self._facts.compressed:
            return "it is compressed, or older than Arrow 1.0, as `datasets` never writes it: write it again without"
        for one in pa.ipc.open_stream(self._source).schema:
            if one.name in self._columns.read and not _is_bounded(one.type):
                return f"the column {to_text(one.name)} is of a type that is not read here ({to_text(str(one.type))})"
        return ""

    def read_from(self, row: int = 0) -> Iterator[Row]:
        """The rows from one on, as far as there are any.

        Raises:
            OSError: The file is torn behind them.
            pyarrow.ArrowException: It is damaged.
        """
        if self._facts.compressed:
            raise pa.ArrowInvalid("it is compressed")
        start = 0
        reader = pa.ipc.open_stream(self._source)
        for count in self._facts.rows:
            batch = reader.read_next_batch()  # of a mapped file: nothing is copied
            if start + count > row:
                batch.validate(full=True)
                if batch.num_rows != count:
                    raise pa.ArrowInvalid("a batch has other rows than its header says")
                batch = batch.select([name for name in self._columns.read if name in batch.schema.names])
                for at in range(max(0, row - start), count):
                    yield row_of(start + at, batch.slice(at, 1), self._columns)
            start += count
        if self._facts.trouble:
            raise pa.ArrowInvalid(self._facts.trouble)

    def row(self, number: int) -> Row | None:
        """One row; None where there is none. Rows that are asked for in order are read in one go.

        Raises:
            OSError, pyarrow.ArrowException: As `read_from`.
        """
        return self._rows.row(number)


@contextmanager
def open_arrow(location: str) -> Iterator[ArrowRows | None]:
    """Open a stream of images; None where it has no column of them.

    Args:
        location: Path or URL; a remote file is first copied to a temporary one.

    Raises:
        OSError: It cannot be opened.
        pyarrow.ArrowException: It is damaged.
        StorageError: There is no room for the temporary file.
    """
    with open_shard(location) as shard:
        try:
            mapped = mmap.mmap(shard.descriptor, 0, access=mmap.ACCESS_READ)
        except ValueError:
            raise pa.ArrowInvalid("the file is empty") from None
        source = pa.py_buffer(mapped)  # unmapped when the last value of it is gone
        schema = pa.ipc.open_stream(source).schema
        columns = _columns_of(schema)
        yield None if columns is None else ArrowRows(source, stream_facts(memoryview(mapped)), columns)


def is_arrow_head(head: bytes) -> bool:
    """Whether a file that begins so is an Arrow stream."""
    return head[:4] == _CONTINUED


def holds_image_stream(location: str) -> bool:
    """Whether a file is an Arrow stream with a column of images; its first message alone is read.

    Args:
        location: Path or URL.
    """
    try:
        head = storage.read_range(location, 0, _HEAD)
        return is_arrow_head(head) and _columns_of(pa.ipc.open_stream(pa.py_buffer(head)).schema) is not None
    except (OSError, pa.ArrowException):
        return False


def _columns_of(schema: pa.Schema) -> ImageColumns | None:
    try:
        return image_columns(schema, schema.metadata)
    except UnicodeDecodeError:  # a name of a column is no text
        return None


def _is_bounded(kind: Any) -> bool:
    """Whether values of a type take no more memory than they take in the file, or so."""
    if any(is_it(kind) for is_it in _WITHOUT_CHILDREN) or pa.types.is_null(kind):
        return True
    if pa.types.is_dictionary(kind):
        return any(is_it(kind.value_type) for is_it in _WITHOUT_CHILDREN)
    if pa.types.is_struct(kind):
        return all(_is_bounded(one.type) for one in kind.fields)
    if pa.types.is_map(kind):
        return _is_bounded(kind.key_type) and _is_bounded(kind.item_type)
    if pa.types.is_fixed_size_list(kind) and kind.list_size > _LONGEST_FIXED:
        return False
    lists = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    return lists and not pa.types.is_null(kind.value_type) and _is_bounded(kind.value_type)

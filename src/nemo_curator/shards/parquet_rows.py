"""A Parquet of images as rows, each of which is the files of one sample.

One row at a time is made of what the file holds, because a page of a few bytes may stand for a million long values:
whatever a file claims, what is in memory is some pages (of 2 GiB at most, by the format) and one row.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from nemo_curator.kernels.sniff import sniff
from nemo_curator.shards.limits import MAX_NAME, MAX_SAMPLE_FILES
from nemo_curator.shards.names import split_member, to_text
from nemo_curator.shards.naming import member_names
from nemo_curator.shards.parquet import open_parquet
from nemo_curator.shards.parquet_schema import ImageColumns, image_columns, is_bytes
from nemo_curator.shards.parquet_values import json_of, text_of
from nemo_curator.shards.rows_in_order import RowsInOrder

MAX_VALUES = 1 << 24
"""Values of one column in a row group: lists of equal values take no room in a file, and all of it in memory."""

_BUFFER = 1 << 20  # bytes of a column that are read at a time


@dataclass(frozen=True, slots=True)
class RowFile:
    """One file of a row.

    Attributes:
        name: Its name, as a member of a tar would have it.
        extension: What follows the key in it.
        data: Its bytes, where Arrow has them.
    """

    name: str
    extension: str
    data: pa.Buffer


@dataclass(frozen=True, slots=True)
class Row:
    """What one row holds.

    Attributes:
        number: Which row it is, from 0.
        key: Key of the sample: what the column for it says, else the number of the row.
        files: Its files, the image among them; of a row with too many files none.
        primary: Index of the image; -1 where the row has none.
        count: How many files it has.
        outside: The path of an image that is not in the file, or "".
        trouble: Why some of it cannot be had, or "".
    """

    number: int
    key: str
    files: tuple[RowFile, ...]
    primary: int
    count: int
    outside: str = ""
    trouble: str = ""


class ImageRows:
    """The rows of an open Parquet of images. Of one thread.

    Args:
        parquet: The file.
        columns: Which of its columns make samples.

    Attributes:
        count: How many rows it says that it has.
    """

    def __init__(self, parquet: pq.ParquetFile, columns: ImageColumns) -> None:
        self._parquet, self._columns = parquet, columns
        self.count: int = parquet.metadata.num_rows
        self._groups = [parquet.metadata.row_group(at).num_rows for at in range(parquet.num_row_groups)]
        self._rows = RowsInOrder(self.read_from)

    def excess(self) -> str:
        """Why the file is not read, or ""."""
        metadata = self._parquet.metadata
        for group in range(metadata.num_row_groups):
            row_group = metadata.row_group(group)
            for at in range(row_group.num_columns):
                column = row_group.column(at)
                path = f"{column.path_in_schema}."
                if column.num_values > MAX_VALUES and any(path.startswith(f"{one}.") for one in self._columns.read):
                    return (
                        f"a row group has {column.num_values:,} values in the column {to_text(column.path_in_schema)}; "
                        f"the limit is {MAX_VALUES:,}: write it with smaller row groups"
                    )
        return ""

    def read_from(self, row: int = 0) -> Iterator[Row]:
        """The rows from one on, as far as there are any.

        Raises:
            OSError: The file cannot be read, or is damaged.
            pyarrow.ArrowException: It is damaged.
        """
        start, group = 0, 0
        while group < len(self._groups) and start + self._groups[group] <= row:
            start, group = start + self._groups[group], group + 1
        groups = list(range(group, len(self._groups)))
        batches = self._parquet.iter_batches(
            batch_size=1, row_groups=groups, columns=list(self._columns.read), use_threads=False
        )
        for number, batch in enumerate(batches if groups else (), start):
            if number >= row:
                yield row_of(number, batch, self._columns)

    def row(self, number: int) -> Row | None:
        """One row; None where there is none. Rows that are asked for in order are read in one go.

        Raises:
            OSError, pyarrow.ArrowException: As `read_from`.
        """
        return self._rows.row(number)


@contextmanager
def open_rows(location: str) -> Iterator[ImageRows | None]:
    """Open a Parquet of images; None where it has no column of them.

    Args:
        location: Path or URL.

    Raises:
        OSError: It cannot be opened, or is damaged.
        pyarrow.ArrowException: It is damaged.
    """
    with open_parquet(location, buffer_size=_BUFFER) as parquet:
        columns = _columns_of(parquet)
        yield None if columns is None else ImageRows(parquet, columns)


def holds_images(location: str) -> bool:
    """Whether a file is a Parquet with a column of images; its end alone is read.

    Args:
        location: Path or URL.
    """
    try:
        with open_parquet(location) as parquet:
            return _columns_of(parquet) is not None
    except (OSError, pa.ArrowException):
        return False


def _columns_of(parquet: pq.ParquetFile) -> ImageColumns | None:
    try:
        return image_columns(parquet.schema_arrow, parquet.metadata.metadata)
    except UnicodeDecodeError:  # a name of a column is no text
        return None


def row_of(number: int, batch: pa.RecordBatch, columns: ImageColumns) -> Row:
    """The row that a batch of one row is.

    Args:
        number: Which row of the file it is.
        batch: The row.
        columns: Which of its columns make the sample.

    Raises:
        pyarrow.ArrowInvalid: One of them is not there.
    """
    missing = set(columns.read) - set(batch.schema.names)
    if missing:
        raise pa.ArrowInvalid(f"the column {min(missing)} cannot be read")
    given = text_of(_only(batch, columns.key)) if columns.key else ""
    key = _plain_key(given) if 0 < len(given) <= MAX_NAME else f"{number:08d}"
    image, path = _bytes_and_path(_only(batch, columns.image))
    outside = path if image is None else ""
    if columns.delivered:
        return _delivered(number, key, batch, image, path, outside)
    found: list[tuple[str, pa.Buffer]] = [] if image is None else [(split_member(path)[1], image)]
    for name in columns.binaries:
        data, inner = _bytes_and_path(_only(batch, name))
        if data is not None:
            found.append((".".join(one for one in (_word(name), split_member(inner)[1]) if one), data))
    trouble = ""
    try:
        text = json_of({name: _only(batch, name) for name in columns.values})
        found += [("json", pa.py_buffer(text))] if text else []
    except ValueError as error:
        trouble = f"a value of this row cannot be read ({error})"
    names = member_names(key, [(extension, sniff(data[:64].to_pybytes()) or "") for extension, data in found])
    files = [RowFile(name, extension, data) for name, (extension, data) in zip(names, found, strict=True)]
    return Row(number, key, tuple(files), 0 if image is not None else -1, len(files), outside, trouble)


def _delivered(number: int, key: str, batch: pa.RecordBatch, image: pa.Buffer | None, path: str, outside: str) -> Row:
    """A row that an export of ours wrote, its files in the order that they had."""
    sidecars: Any = _only(batch, "sidecars")
    count = (image is not None) + (len(sidecars) if sidecars.is_valid else 0)
    if count > MAX_SAMPLE_FILES:
        return Row(number, key, (), -1, count, outside)
    found = [] if image is None else [(path, image)]
    for one in sidecars if sidecars.is_valid else ():
        data = one["bytes"].as_buffer() if one.is_valid else None
        found.append((text_of(one["name"]) if one.is_valid else "", pa.py_buffer(b"") if data is None else data))
    files = [RowFile(name, split_member(name)[1], data) for name, data in found]
    listed: Any = _only(batch, "files")
    if listed.is_valid and len(listed) == len(files):
        order = {text_of(name): at for at, name in enumerate(listed)}
        if {one.name for one in files} == set(order):
            files.sort(key=lambda one: order[one.name])
    primary = next((at for at, one in enumerate(files) if one.data is image), -1)
    return Row(number, key, tuple(files), primary, len(files), outside)


def _only(batch: pa.RecordBatch, name: str) -> Any:
    """The one value of a column, as Arrow has it."""
    return batch.column(batch.schema.names.index(name))[0]


def _bytes_and_path(value: Any) -> tuple[pa.Buffer | None, str]:
    """The bytes of an image, if they are there, and its path, if one is said."""
    if not value.is_valid:
        return None, ""
    if is_bytes(value.type):
        return value.as_buffer(), ""
    data = value["bytes"]
    fields = {one.name for one in value.type.fields}
    path = text_of(value["path"]) if "path" in fields and not is_bytes(value.type.field("path").type) else ""
    return data.as_buffer() if data.is_valid else None, path


def _plain_key(given: str) -> str:
    """A key that readers of tars take whole: they end it at the first dot of its last part."""
    folder, slash, base = given.rpartition("/")
    return (
        given if not split_member(given)[1] and not base.endswith(".") else f"{folder}{slash}{base.replace('.', '_')}"
    )


def _word(name: str) -> str:
    """The name of a column as a part of a file's extension."""
    word = "".join(one if one.isalnum() or one in "-_" else "_" for one in to_text(name))
    return word[:64] or "column"

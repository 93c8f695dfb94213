"""A list of URLs to its rows, a few at a time: Parquet, CSV, TSV, JSON Lines, or a URL a line."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO

import pyarrow as pa

from nemo_curator import storage
from nemo_curator.errors import EmptyInputError, InputError, MissingInputError
from nemo_curator.fetching.list_columns import ListColumns, choose_columns
from nemo_curator.shards.parquet import open_parquet
from nemo_curator.shards.parquet_values import json_of, text_of
from nemo_curator.shards.url_tables import LIST_KINDS, list_kind

_LINE = 1 << 24  # bytes of a line; characters of a row of a CSV, which may have several lines
_CELL = 1 << 22  # characters of a cell of a CSV
_BATCH, _BATCH_BYTES = 256, 1 << 23  # rows of a Parquet that are in memory at a time, and bytes of them, about
_BUFFER = 1 << 20
_ENDS = 1 << 16  # bytes at each end of a file that tell it from another one
_GIVE = f"give a file that ends with {', '.join(LIST_KINDS)}, or a folder of such"


@dataclass(frozen=True, slots=True)
class ListRow:
    """One row.

    Attributes:
        number: Which one it is of the whole list, from 0.
        url: As it stands there; "" where the row has none.
        caption: The caption, or "".
        more: All further columns as one JSON object, in UTF-8.
        trouble: Why the row cannot be read, or "".
    """

    number: int
    url: str
    caption: str = ""
    more: bytes = b"{}"
    trouble: str = ""


class UrlList:
    """A list of URLs: one file, or all files of a folder in the order of their names.

    Args:
        place: Path or URL.
        url_column: Which column holds URLs; guessed where it is "".
        caption_column: Which one holds captions; likewise.

    Raises:
        MissingInputError: There is nothing at the place.
        InputError: It is no list that is known, or it has no column of URLs.
    """

    def __init__(self, place: str, url_column: str = "", caption_column: str = "") -> None:
        self.place = place
        self._asked = (url_column, caption_column)
        self._files = _files(place)
        self.columns: list[ListColumns] = []
        for file in self._files:
            with _explained(file.url):
                self.columns.append(choose_columns(_names(file.url), url_column, caption_column, file.url))
                _refuse_no_text(file.url, self.columns[-1].url)

    @property
    def identity(self) -> dict[str, Any]:
        """What tells this list from another one: names, sizes, hashes of both ends, and the chosen columns."""
        return {
            "files": [
                {"name": file.url.rsplit("/", 1)[-1], "bytes": file.size, "ends": _ends(file)} for file in self._files
            ],
            "url_column": self.columns[0].url,
            "caption_column": self.columns[0].caption,
        }

    def rows(self, start: int = 0) -> Iterator[ListRow]:
        """The rows from one on; those before it are passed over quickly where the format allows.

        Args:
            start: Number of the first one that is wanted.

        Raises:
            InputError: A file of the list cannot be read, or is damaged.
        """
        number = 0
        for file, columns in zip(self._files, self.columns, strict=True):
            with _explained(file.url):
                if list_kind(file.url) == "parquet":
                    count = _count(file.url)
                    if count and start < number + count:
                        yield from _parquet_rows(file.url, columns, number, max(start - number, 0))
                    number += count
                    continue
                for row in _text_rows(file.url, columns, number):
                    number = row.number + 1
                    if row.number >= start:
                        yield row


def _files(place: str) -> list[storage.Stored]:
    try:
        stored = storage.stat(place)
        found = [one for one in storage.list(place) if one.kind == "file"] if stored.is_dir else [stored]
    except FileNotFoundError:
        raise MissingInputError("there is nothing at this path", where=place, act="check the path") from None
    except OSError as error:
        raise InputError("it cannot be read", where=place, cause=error.strerror or str(error), act="check it") from None
    if stored.is_dir:
        found = [one for one in found if list_kind(one.url) and not one.url.rsplit("/", 1)[-1].startswith((".", "_"))]
    if not found:
        raise EmptyInputError("there is no list of URLs in it", where=place, act=_GIVE)
    if not list_kind(found[0].url):
        raise InputError("it is no list of URLs that is known", where=place, act=_GIVE)
    return found


def _ends(file: storage.Stored) -> str:
    with _explained(file.url):
        head = storage.read_range(file.url, 0, _ENDS)
        tail = storage.read_range(file.url, max(0, file.size - _ENDS), _ENDS)
    return hashlib.sha256(head + tail).hexdigest()


@contextmanager
def _explained(url: str) -> Iterator[None]:
    """Turn what readers of files raise into an error of ours."""
    try:
        yield
    except (OSError, csv.Error, pa.ArrowException) as error:
        cause = " ".join(str(getattr(error, "strerror", None) or error).split())[:300]
        raise InputError("the list cannot be read", where=url, cause=cause, act="check that it is whole") from None


def _names(url: str) -> list[str]:
    """Names of the columns of a file; of JSON Lines those of its first line."""
    kind = list_kind(url)
    if kind == "parquet":
        with open_parquet(url) as parquet:
            return list(parquet.schema_arrow.names)
    if kind == "txt":
        return ["url"]
    with storage.open(url) as file:
        if kind == "jsonl":
            first = _object(file.readline(_LINE + 1).removeprefix(b"\xef\xbb\xbf"))
            return [] if first is None else list(first)
        return next(_cells(file, kind), [])


def _refuse_no_text(url: str, column: str) -> None:
    """Say before anything is fetched that a column cannot hold URLs.

    Raises:
        InputError: Its type is none of text.
    """
    if list_kind(url) != "parquet":
        return
    with open_parquet(url) as parquet:
        schema = parquet.schema_arrow
    kind: Any = schema.field(schema.names.index(column)).type
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    texts = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view, pa.types.is_null)
    if not any(fits(kind) for fits in texts):
        raise InputError(
            f"the column of URLs, {column!r}, holds no text",
            where=url,
            cause=f"its type is {kind}",
            act="say which column it is: --url-column NAME, or write it as strings",
        )


def _decoded(column: Any) -> Any:
    """A column of Arrow with its values in place, where it holds numbers of values of a dictionary."""
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def _count(url: str) -> int:
    with open_parquet(url) as parquet:
        return int(parquet.metadata.num_rows)


def _parquet_rows(url: str, columns: ListColumns, base: int, skip: int) -> Iterator[ListRow]:
    wanted = [*columns.others, *([columns.caption] if columns.caption else [])]
    with open_parquet(url, buffer_size=_BUFFER) as parquet:
        group, before = 0, 0
        while before + parquet.metadata.row_group(group).num_rows <= skip:
            before += parquet.metadata.row_group(group).num_rows
            group += 1
        groups = list(range(group, parquet.num_row_groups))
        number = base + before
        size = min(_BATCH, max(1, _BATCH_BYTES // _row_bytes(parquet.metadata)))
        for batch in parquet.iter_batches(size, row_groups=groups, columns=wanted, use_threads=False):
            named = {name: _decoded(batch.column(at)) for at, name in enumerate(batch.schema.names)}
            for at in range(batch.num_rows):
                if number >= base + skip:
                    yield _parquet_row(number, {name: column[at] for name, column in named.items()}, columns)
                number += 1


def _row_bytes(metadata: Any) -> int:
    """Bytes that a row of a Parquet takes on average, in the row group where that is most; at least 1."""
    groups = (metadata.row_group(at) for at in range(metadata.num_row_groups))
    return max((one.total_byte_size // max(one.num_rows, 1) for one in groups), default=0) or 1


def _parquet_row(number: int, values: Mapping[str, Any], columns: ListColumns) -> ListRow:
    try:
        more = json_of({name: values[name] for name in columns.others})
        caption = text_of(values[columns.caption]) if columns.caption else ""
        return ListRow(number, text_of(values[columns.url]), caption, more)
    except (ValueError, pa.ArrowException) as error:
        return ListRow(
            number, "", trouble=f"a value of row {number} cannot be read ({' '.join(str(error).split())[:200]})"
        )


def _text_rows(url: str, columns: ListColumns, base: int) -> Iterator[ListRow]:
    readers: dict[str, Callable[[BinaryIO], Iterator[Mapping[str, Any] | str]]] = {
        "csv": lambda file: _named_cells(file, "csv"),
        "tsv": lambda file: _named_cells(file, "tsv"),
        "jsonl": _objects,
        "txt": _lines,
    }
    with storage.open(url) as file:
        for number, found in enumerate(readers[list_kind(url)](file), base):
            if isinstance(found, str):
                yield ListRow(number, "", trouble=found)
                continue
            words = {name: value for name, value in found.items() if name in {columns.url, columns.caption}}
            more = {name: value for name, value in found.items() if name != columns.caption}
            yield ListRow(
                number,
                _text(words.get(columns.url)),
                _text(words.get(columns.caption)),
                json.dumps(more, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace"),
            )


def _text(value: object) -> str:
    """A value as text that can be stored; what is none is none."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else ""


def _cells(file: BinaryIO, kind: str) -> Iterator[list[str]]:
    """The lines of a CSV or TSV as cells. In a TSV quotes are letters like any other, and a line is a row."""
    csv.field_size_limit(_CELL)
    below: Any = _Bounded(file)
    text = io.TextIOWrapper(below, encoding="utf-8-sig", errors="replace", newline="")
    return _Cells(text, kind)


class _Cells:
    """Rows of cells; one that is too long is a `csv.Error`, behind which the next line begins a row."""

    def __init__(self, text: io.TextIOWrapper, kind: str) -> None:
        self._text, self._taken = text, 0
        lines = iter(self._line, "")
        if kind == "csv":
            self._rows = csv.reader(lines)
        else:
            self._rows = csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)

    def __iter__(self) -> Iterator[list[str]]:
        return self

    def __next__(self) -> list[str]:
        self._taken = 0
        return next(self._rows)

    def _line(self) -> str:
        """The next line; "" at the end of the file."""
        line = rest = self._text.readline(_LINE)
        while len(rest) == _LINE and not rest.endswith(("\n", "\r")):
            rest = self._text.readline(_LINE)
        self._taken += len(line)
        if self._taken >= _LINE:
            raise csv.Error(f"it has more than {_LINE:,} characters")
        return line


class _Bounded(io.RawIOBase):
    """A file that `TextIOWrapper` may own without closing the one below."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self._file = file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def read1(self, size: int = -1, /) -> bytes:
        """What `TextIOWrapper` asks for."""
        return self._file.read(size if size >= 0 else _BUFFER)


def _named_cells(file: BinaryIO, kind: str) -> Iterator[Mapping[str, Any] | str]:
    lines = _cells(file, kind)
    names = next(lines, [])
    while True:
        try:
            cells = next(lines, None)
        except csv.Error as error:  # the reader goes on behind it
            yield f"its line cannot be read ({error})"
            continue
        if cells is None:
            return
        if not cells:  # an empty line is no row in any of these formats
            continue
        if len(cells) == len(names):
            yield dict(zip(names, cells, strict=True))
        else:
            yield f"its line has {len(cells)} cells, and the first line names {len(names)} columns"


def _objects(file: BinaryIO) -> Iterator[Mapping[str, Any] | str]:
    for line in _raw_lines(file):
        found = _object(line) if len(line) <= _LINE else None
        yield found if found is not None else "its line is no JSON object"


def _lines(file: BinaryIO) -> Iterator[Mapping[str, Any] | str]:
    for line in _raw_lines(file):
        yield {"url": line.decode("utf-8", "replace").strip()}


def _raw_lines(file: BinaryIO) -> Iterator[bytes]:
    """The lines that hold something, the end of one that is too long left out."""
    start: Sequence[bytes] = [b"\xef\xbb\xbf"]
    while line := file.readline(_LINE + 1):
        rest = line
        while len(rest) > _LINE and not rest.endswith(b"\n"):
            rest = file.readline(_LINE + 1)
        for mark in start:
            line = line.removeprefix(mark)  # noqa: PLW2901  the mark stands before the first line alone
        start = ()
        if line.strip():
            yield line


def _finite(text: str) -> float | None:
    """A number, or nothing where it is too large for one, which JSON cannot say."""
    number = float(text)
    return number if math.isfinite(number) else None


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(line, parse_float=_finite, parse_constant=lambda _: None)  # NaN is none of JSON
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None

"""The files of one shard of a fetch: images, what is left of the rows without one, and a row of status for each."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from nemo_curator import storage
from nemo_curator.errors import InputError
from nemo_curator.fetching.list_columns import RESERVED
from nemo_curator.fetching.statuses import OK, Outcome
from nemo_curator.fetching.url_list import ListRow
from nemo_curator.fetching.urls import LONGEST
from nemo_curator.kernels.sniff import FORMAT_EXTENSIONS
from nemo_curator.redaction import redacted
from nemo_curator.shards.fetched import FAILED_END, TIMES, UNFETCHED, shard_name
from nemo_curator.shards.parquet import read_table
from nemo_curator.shards.tar_writer import TarWriter


def _fields(fields: list[Any]) -> list[Any]:
    """Fields of a schema, of which those without a value in some rows are of another type to Arrow's stubs."""
    return fields


STATUS_COLUMNS: pa.Schema = pa.schema(
    _fields(
        [
            pa.field("row", pa.int64(), nullable=False),
            pa.field("key", pa.string(), nullable=False),
            pa.field("url", pa.string(), nullable=False),
            pa.field("status", pa.string(), nullable=False),
            pa.field("reason", pa.string()),
            pa.field("http_status", pa.int16()),
            pa.field("final_url", pa.string()),
            pa.field("redirects", pa.int16()),
            pa.field("content_type", pa.string()),
            pa.field("x_robots_tag", pa.string()),
            pa.field("format", pa.string()),
            pa.field("bytes", pa.int64()),
            pa.field("sha256", pa.string()),
            pa.field("attempts", pa.int32()),
            pa.field("first_row", pa.int64()),
            pa.field("offset", pa.int64()),
        ]
    )
)
"""Columns of the status table."""

TIME_COLUMNS = pa.schema(
    _fields(
        [
            pa.field("row", pa.int64(), nullable=False),
            pa.field("retrieved_at", pa.timestamp("ms", tz="UTC")),
            pa.field("seconds", pa.float32()),
        ]
    )
)
"""Columns of the table of times, which is apart because nothing else depends on a clock."""


@dataclass(frozen=True, slots=True)
class Answered:
    """A row of the list with what became of it.

    Attributes:
        row: The row.
        outcome: What became of its URL.
        image: The bytes of the image, b"" where there is none.
        first_row: The row with the same URL that was fetched instead, or None.
    """

    row: ListRow
    outcome: Outcome
    image: bytes = b""
    first_row: int | None = None


@dataclass(frozen=True, slots=True)
class ShardFiles:
    """Where the files of a shard are.

    Attributes:
        output: Folder or URL of the fetch.
        number: Which shard it is.
    """

    output: str
    number: int

    @property
    def tar(self) -> str:
        """The images, with captions and metadata."""
        return storage.join(self.output, f"{shard_name(self.number)}.tar")

    @property
    def failed(self) -> str:
        """Captions and metadata of the rows without an image."""
        return storage.join(self.output, f"{shard_name(self.number)}{FAILED_END}")

    @property
    def status(self) -> str:
        """The status table; where it is, the shard is whole."""
        return storage.join(self.output, f"{shard_name(self.number)}.parquet")

    @property
    def times(self) -> str:
        """When each row was fetched."""
        return storage.join(self.output, TIMES, f"{shard_name(self.number)}.parquet")


def write_shard(files: ShardFiles, answered: Iterable[Answered], url_column: str) -> dict[str, int]:
    """Write the files of a shard, the status table last.

    Args:
        files: Where.
        answered: All its rows, in order.
        url_column: The list's column of URLs.

    Returns:
        Status to the number of rows that have it.

    Raises:
        StorageError: They cannot be written.
    """
    status: list[dict[str, Any]] = []
    times: list[dict[str, Any]] = []
    with ExitStack() as stack:
        tars = _Tars(files, stack)
        for one in answered:
            offset = tars.add(one, url_column)
            status.append(_status_row(one, offset))
            if one.outcome.at:
                at = datetime.fromtimestamp(one.outcome.at, UTC)
                times.append({"row": one.row.number, "retrieved_at": at, "seconds": one.outcome.seconds})
    tars.remove_others()
    _write_table(files.times, times, TIME_COLUMNS)
    _write_table(files.status, status, STATUS_COLUMNS)
    counts: dict[str, int] = {}
    for row in status:
        counts[row["status"]] = counts.get(row["status"], 0) + 1
    return counts


class _Tars:
    """The two tars of a shard, each of which exists only where something is in it."""

    def __init__(self, files: ShardFiles, stack: ExitStack) -> None:
        self._files, self._stack = files, stack
        self._open: dict[str, TarWriter] = {}

    def add(self, one: Answered, url_column: str) -> int | None:
        """Add a row; where its image begins in the tar."""
        key, outcome = key_of(one.row.number), one.outcome
        sidecars = [("json", _metadata(one, url_column))]
        if one.row.caption:
            sidecars.append(("txt", one.row.caption.encode("utf-8", "replace")))
        if outcome.status == OK:
            tar = self._tar(self._files.tar)
            extension = FORMAT_EXTENSIONS[outcome.image_format][0]
            offset: int | None = tar.add(f"{key}.{extension}", one.image, sha256=outcome.sha256).offset
        else:
            tar, offset = self._tar(self._files.failed), None
            tar.add(f"{key}.{UNFETCHED}", f"{outcome.status}: {outcome.reason}".encode("utf-8", "replace"))
        for name, data in sidecars:
            tar.add(f"{key}.{name}", data)
        return offset

    def remove_others(self) -> None:
        """Remove what an earlier fetch left of a tar in which nothing is any more."""
        for url in {self._files.tar, self._files.failed} - set(self._open):
            storage.remove(url)

    def _tar(self, url: str) -> TarWriter:
        if url not in self._open:
            self._open[url] = self._stack.enter_context(TarWriter(self._stack.enter_context(storage.write_atomic(url))))
        return self._open[url]


def key_of(row: int) -> str:
    """The key of a row's sample: its number in ten digits."""
    return f"{row:010d}"


def stored_url(text: str) -> str:
    """A URL of the list as it is stored: without a password, and not endless."""
    shown = redacted(text) if "@" in text.split("?", 1)[0] else text
    return shown if len(shown) <= LONGEST else f"{shown[:LONGEST]}…"


def _metadata(one: Answered, url_column: str) -> bytes:
    """The sidecar: the list's further columns as they are, and what became of the URL."""
    outcome = one.outcome
    found: dict[str, Any] = json.loads(one.row.more)
    found = {name: value for name, value in found.items() if not name.startswith(RESERVED)}
    if isinstance(found.get(url_column), str):
        found[url_column] = stored_url(found[url_column])
    ours = {
        "row": one.row.number,
        "status": outcome.status,
        "reason": outcome.reason or None,
        "http_status": outcome.http_status,
        "final_url": outcome.final_url or None,
        "content_type": outcome.content_type or None,
        "x_robots_tag": outcome.robots_tag or None,
    }
    found |= {f"{RESERVED}{name}": value for name, value in ours.items() if value is not None}
    return json.dumps(found, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace")


def _status_row(one: Answered, offset: int | None) -> dict[str, Any]:
    outcome = one.outcome
    return {
        "row": one.row.number,
        "key": key_of(one.row.number),
        "url": stored_url(one.row.url),
        "status": outcome.status,
        "reason": outcome.reason or None,
        "http_status": outcome.http_status,
        "final_url": outcome.final_url or None,
        "redirects": outcome.redirects,
        "content_type": outcome.content_type or None,
        "x_robots_tag": outcome.robots_tag or None,
        "format": outcome.image_format or None,
        "bytes": outcome.size,
        "sha256": outcome.sha256 or None,
        "attempts": outcome.attempts,
        "first_row": one.first_row,
        "offset": offset,
    }


def _write_table(url: str, rows: list[dict[str, Any]], schema: pa.Schema) -> None:
    table = pa.Table.from_pylist(rows, schema=schema)
    with storage.write_atomic(url) as file:
        pq.write_table(table, file, compression="zstd", write_page_checksum=True)


@dataclass(frozen=True, slots=True)
class Settled:
    """A row of a shard that is whole.

    Attributes:
        row: Its number.
        outcome: What became of its URL.
        first_row: The row whose answer it has, or None.
        offset: Where its image begins in the tar, or None.
    """

    row: int
    outcome: Outcome
    first_row: int | None
    offset: int | None


def read_shard(files: ShardFiles) -> list[Settled]:
    """The rows of a shard that is whole, in order, with the times at which they were fetched.

    Raises:
        InputError: It cannot be read, or a table is damaged.
    """
    with _explained(files.times):
        when = {one["row"]: one for one in read_table(files.times).to_pylist()}
    with _explained(files.status):
        return [_settled(one, when.get(one["row"])) for one in read_table(files.status).to_pylist()]


@contextmanager
def _explained(url: str) -> Iterator[None]:
    """Turn what is raised about a damaged file of an earlier shard into an error of ours."""
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        cause = " ".join(str(getattr(error, "strerror", None) or error).split())[:300]
        raise InputError(
            "a shard of this fetch cannot be read", where=url, cause=cause, act="fetch into another folder"
        ) from error


def _settled(one: dict[str, Any], when: dict[str, Any] | None) -> Settled:
    outcome = Outcome(
        one["status"],
        one["reason"] or "",
        one["http_status"],
        one["final_url"] or "",
        one["redirects"] or 0,
        one["content_type"] or "",
        one["x_robots_tag"] or "",
        one["format"] or "",
        one["bytes"],
        one["sha256"] or "",
        one["attempts"] or 0,
        when["retrieved_at"].timestamp() if when else 0.0,
        when["seconds"] if when else 0.0,
    )
    return Settled(one["row"], outcome, one["first_row"], one["offset"])


def image_of(files: ShardFiles, settled: Settled) -> bytes:
    """The bytes of an image in a shard that is whole.

    Raises:
        InputError: They cannot be read.
    """
    if settled.offset is None:
        return b""
    with _explained(files.tar):
        return storage.read_range(files.tar, settled.offset, settled.outcome.size or 0)


class Earlier:
    """Looks rows up in shards that are whole; remembers the shards that it read last.

    Args:
        output: Folder or URL of the fetch.
        shard_size: Rows of a shard.
    """

    def __init__(self, output: str, shard_size: int) -> None:
        self._output, self._shard_size = output, shard_size
        self._shard: Callable[[int], list[Settled]] = lru_cache(maxsize=8)(self._read)

    def answer(self, row: int) -> tuple[Outcome, bytes]:
        """What became of a row, and its image.

        Raises:
            InputError: As `read_shard`.
        """
        number = row // self._shard_size
        settled = self._shard(number)[row - number * self._shard_size]
        return settled.outcome, image_of(ShardFiles(self._output, number), settled)

    def _read(self, number: int) -> list[Settled]:
        return read_shard(ShardFiles(self._output, number))


def statuses_of(files: ShardFiles) -> Iterator[str]:
    """The status of each row of a shard that is whole.

    Raises:
        InputError: As `read_shard`.
    """
    with _explained(files.status):
        column: Any = read_table(files.status, ["status"]).column("status")
    yield from column.to_pylist()

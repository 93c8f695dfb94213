"""A delivered shard, opened for copying: its rows, and the bytes of its members by their names."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from nemo_curator import storage
from nemo_curator.errors import VerificationError
from nemo_curator.kernels.source import Member
from nemo_curator.runs.exporting.mds import file_places
from nemo_curator.runs.exporting.settings import Format
from nemo_curator.runs.exporting.shard_check import ListedShard, leads_out
from nemo_curator.runs.exporting.shards import refuse_outside
from nemo_curator.shards.mds_reader import MdsDamageError, MdsFile
from nemo_curator.shards.names import from_text, to_text
from nemo_curator.shards.parquet import open_parquet
from nemo_curator.shards.spool import OpenShard, open_shard
from nemo_curator.shards.tar_headers import TarEntry, walk


class ShardContents:
    """A context manager; of one thread.

    Args:
        output: The data set.
        shard: The shard.
        form: How it is written.
    """

    def __init__(self, output: str, shard: ListedShard, form: Format) -> None:
        self._output, self._shard, self._form = output, shard, form
        self._stack = ExitStack()
        self._descriptor = -1
        self._places: dict[str, tuple[int, int]] = {}
        self._parquet: pq.ParquetFile | None = None
        self._groups: dict[str, int] = {}
        self._held: tuple[int, dict[str, bytes]] = (-1, {})
        self.schema: pa.Schema = pa.schema([])
        self.table: pa.Table = pa.table({})

    def __enter__(self) -> Self:
        try:
            self._enter()
        except (OSError, pa.ArrowException, MdsDamageError) as error:
            raise self._damaged(self._shard.name, str(error)) from error
        return self

    def _enter(self) -> None:
        with ExitStack() as stack:
            self._parquet = stack.enter_context(open_parquet(storage.join(self._output, self._shard.rows.name)))
            self.schema = self._parquet.schema_arrow
            known = [name for name in self.schema.names if name not in ("image", "sidecars")]
            self.table = self._parquet.read(columns=known).combine_chunks()
            if self._form == "webdataset":
                shard = stack.enter_context(open_shard(storage.join(self._output, self._shard.body.name)))
                self._descriptor = shard.descriptor
                for entry in walk(shard.descriptor):
                    if isinstance(entry, TarEntry) and entry.kind == "file":
                        self._places[to_text(entry.name)] = entry.offset, entry.size
            elif self._form == "mds":
                self._open_mds(stack.enter_context(open_shard(storage.join(self._output, self._shard.body.name))))
            elif self._form == "parquet":
                self._index(self._parquet)
            self._stack = stack.pop_all()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def rows_of(self, ids: Collection[str | None]) -> list[int]:
        """The rows of these samples."""
        return [at for at, one in enumerate(self.table["image_id"].to_pylist()) if one in ids]

    def read(self, names: Sequence[str], members: Sequence[Member]) -> list[bytes]:
        """The bytes of a sample's members.

        Raises:
            VerificationError: They are not there, or not the ones that its row lists.
        """
        found = []
        for name, member in zip(names, members, strict=True):
            try:
                data = self._data(name)
            except (OSError, pa.ArrowException) as error:
                raise self._damaged(f"{self._shard.name}#{name}", str(error)) from error
            if data is None or hashlib.sha256(data).hexdigest() != member.sha256:
                raise self._damaged(f"{self._shard.name}#{name}")
            found.append(data)
        return found

    def _damaged(self, name: str, cause: str = "") -> VerificationError:
        return VerificationError(
            "its bytes are gone or not the ones that the data set lists",
            where=storage.join(self._output, name),
            cause=cause,
            act="look with `imagecurator verify`, and export it again with --replace",
        )

    def _data(self, name: str) -> bytes | None:
        if self._form in ("webdataset", "mds"):
            place = self._places.get(name)
            return None if place is None else storage.read_at(self._descriptor, *place)
        if self._form == "parquet":
            return self._from_parquet(name)
        refuse_outside(name)
        location = storage.join(self._output, self._shard.name, from_text(name))
        if leads_out(self._output, location):
            return None
        with storage.open(location) as file:
            return file.read()

    def _open_mds(self, shard: OpenShard) -> None:
        """Where each file of an MDS shard lies; by name, because it may have fewer samples than its Parquet."""
        self._descriptor = shard.descriptor
        file = MdsFile(shard.descriptor, storage.stat(storage.join(self._output, self._shard.body.name)).size)
        for at in range(file.samples):
            try:
                self._places.update(file_places(file, at))
            except (ValueError, LookupError, TypeError) as error:
                raise MdsDamageError(f"the files of sample {at:,} are not told apart ({error})") from None

    def _index(self, parquet: pq.ParquetFile) -> None:
        """Which row group holds each file."""
        files: list[Any] = self.table["files"].to_pylist()
        at = 0
        for group in range(parquet.num_row_groups):
            count = parquet.metadata.row_group(group).num_rows
            self._groups.update((name, group) for names in files[at : at + count] for name in names)
            at += count

    def _from_parquet(self, name: str) -> bytes | None:
        group = self._groups.get(name, -1)
        if group < 0 or self._parquet is None:
            return None
        if self._held[0] != group:
            rows: list[dict[str, Any]] = self._parquet.read_row_group(group, columns=["image", "sidecars"]).to_pylist()
            held = {row["image"]["path"]: row["image"]["bytes"] for row in rows if row["image"]}
            held |= {one["name"]: one["bytes"] for row in rows for one in row["sidecars"] or ()}
            self._held = group, held
        return self._held[1].get(name)

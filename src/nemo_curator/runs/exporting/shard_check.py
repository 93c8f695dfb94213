"""One shard of a delivered data set against its manifest and against itself. Whatever it holds, nothing raises."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from nemo_curator import storage
from nemo_curator.errors import CuratorError
from nemo_curator.runs.exporting.delivered import DeliveredFile
from nemo_curator.runs.exporting.findings import Problems
from nemo_curator.runs.exporting.mds_check import MdsCheck
from nemo_curator.runs.exporting.settings import Format
from nemo_curator.runs.exporting.shards import folder_files, folder_sha256, is_inside
from nemo_curator.shards.decompress import HEAD_BYTES, is_compressed
from nemo_curator.shards.mds_reader import MdsFile
from nemo_curator.shards.names import from_text, to_text
from nemo_curator.shards.parquet import open_parquet
from nemo_curator.shards.spool import open_shard
from nemo_curator.shards.tar_headers import TarDamage, walk

_READ = 1 << 20
_MOST_EXPANDED = 1 << 30  # bytes of a row group; ours have 32 MB, or one sample
_MADE = ["delivered_bytes", "delivered_sha256"]
_RENDERED = "rendered"
_STRANGE = 1000  # members that nobody expects, after which a tar is read no further

Digests = npt.NDArray[np.uint64]


@dataclass(slots=True)
class ShardFindings:
    """What one shard holds.

    Attributes:
        problems: What is wrong with it.
        samples: Rows in its Parquet.
        bytes: Bytes hashed.
        ids: `(N, 2)` a digest of each sample's id.
        contents: `(N, 2)` a digest of each sample's id and of the hashes of its members.
        rendered: `(N,)` whether its image was made anew.
    """

    problems: Problems = field(default_factory=Problems)
    samples: int = 0
    bytes: int = 0
    ids: Digests = field(default_factory=lambda: np.zeros((0, 2), np.uint64))
    contents: Digests = field(default_factory=lambda: np.zeros((0, 2), np.uint64))
    rendered: npt.NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, np.bool_))


@dataclass(frozen=True, slots=True)
class ListedShard:
    """A shard as the manifest lists it.

    Attributes:
        name: `00000`, or `train/00000`.
        rows: Its Parquet.
        body: Its tar or folder; the Parquet again where that holds the bytes.
    """

    name: str
    rows: DeliveredFile
    body: DeliveredFile


def check_shard(output: str, shard: ListedShard, form: Format) -> ShardFindings:
    """Check a shard's files, and every member in them."""
    check = _Check(output, shard, form)
    try:
        check.run()
    except (OSError, ValueError, LookupError, TypeError, AttributeError, MemoryError, CuratorError) as error:
        # what pyarrow makes of a hostile file is one of these
        check.found.problems.add(f"{shard.name}: it cannot be read ({type(error).__name__}: {str(error)[:200]})")
    return check.found


class _Check:
    def __init__(self, output: str, shard: ListedShard, form: Format) -> None:
        self.found = ShardFindings()
        self._output, self._shard, self._form = output, shard, form
        self._tell = self.found.problems.add
        self._expected: dict[str, tuple[str, int]] = {}  # name of a member to its hash and length
        self._mds: MdsCheck | None = None
        self._hashes: list[Digests] = []
        self._contents: list[Digests] = []
        self._rendered: list[npt.NDArray[np.bool_]] = []

    def run(self) -> None:
        """Look at everything."""
        whole = self._is_as_listed(self._shard.rows)
        if self._form in ("webdataset", "mds"):
            whole = self._is_as_listed(self._shard.body) and whole
        if not whole:
            return
        with ExitStack() as stack:
            parquet = stack.enter_context(open_parquet(storage.join(self._output, self._shard.rows.name)))
            if self._form == "mds":
                opened = stack.enter_context(open_shard(storage.join(self._output, self._shard.body.name)))
                file = MdsFile(opened.descriptor, self._shard.body.bytes)
                self._mds = MdsCheck(self._shard.body.name, file, parquet.schema_arrow, self._tell)
            for table in self._tables(parquet):
                self._rows(table)
            if self._mds is not None:
                self._mds.end()
        self.found.ids = np.concatenate([self.found.ids, *self._hashes])
        self.found.contents = np.concatenate([self.found.contents, *self._contents])
        self.found.rendered = np.concatenate([self.found.rendered, *self._rendered])
        if self.found.samples != self._shard.rows.samples or self.found.samples != self._shard.body.samples:
            listed = self._shard.rows.samples
            self._tell(f"{self._shard.rows.name}: it has {self.found.samples:,} samples, the manifest says {listed:,}")
        if self._form == "webdataset":
            self._tar()
        elif self._form == "folder":
            self._folder()

    def _is_as_listed(self, listed: DeliveredFile) -> bool:
        """Whether a file is there with the listed length and hash."""
        location = storage.join(self._output, listed.name)
        if leads_out(self._output, location):
            self._tell(f"{listed.name}: it is a link that leads out of the data set")
            return False
        try:
            size = storage.stat(location).size
            if size != listed.bytes:
                self._tell(f"{listed.name}: it has {size:,} bytes, the manifest says {listed.bytes:,}")
                return False
            with storage.open(location) as file:
                sha256 = hashlib.file_digest(cast("Any", file), "sha256").hexdigest()
        except FileNotFoundError:
            self._tell(f"{listed.name}: it is missing")
            return False
        except OSError as error:
            self._tell(f"{listed.name}: it cannot be read ({error.strerror or error})")
            return False
        self.found.bytes += size
        if sha256 != listed.sha256:
            self._tell(f"{listed.name}: its bytes are not the ones that the manifest lists")
        return sha256 == listed.sha256

    def _tables(self, parquet: pq.ParquetFile) -> Iterator[pa.Table]:
        """The rows, a row group at a time."""
        columns = ["image_id", "files", "members", "primary", *(["image", "sidecars"] * (self._form == "parquet"))]
        columns += [name for name in (*_MADE, _RENDERED) if name in parquet.schema_arrow.names]
        wanted = None if self._form == "mds" else columns  # its samples say everything that is known
        for number in range(parquet.num_row_groups):
            if parquet.metadata.row_group(number).total_byte_size > _MOST_EXPANDED:
                self._tell(f"{self._shard.rows.name}: it would expand to more than {_MOST_EXPANDED:,} bytes")
                return
            yield parquet.read_row_group(number, columns=wanted)

    def _rows(self, table: pa.Table) -> None:
        self.found.samples += table.num_rows
        columns: list[list[Any]] = [table[name].to_pylist() for name in ("image_id", "files", "members")]
        ids, files, members = columns
        members = _as_delivered(table, members)
        for image_id, names, its in zip(ids, files, members, strict=True):
            if len(names or ()) != len(its or ()):
                self._tell(f"{image_id}: it has {len(its or ())} members and {len(names or ())} files")
            for name, one in zip(names or (), its or (), strict=False):
                if name in self._expected:
                    self._tell(f"{self._shard.name}: two samples have the file {name}")
                self._expected[name] = (one["sha256"], one["length"])
        self._hashes.append(digests(ids))
        self._contents.append(content_digests(table))
        self._rendered.append(_rendered(table))
        if self._mds is not None:
            self._mds.rows(table, members)
        if self._form == "parquet":
            for index, (names, its) in enumerate(zip(files, members, strict=True)):
                self._embedded(table.slice(index, 1).to_pylist()[0], names, its)

    def _embedded(self, row: dict[str, Any], names: list[str], members: list[dict[str, Any]]) -> None:
        """The bytes in a row against the hashes in it."""
        first = row["primary"]
        images = [(row["image"]["path"], row["image"]["bytes"])] if row["image"] else []
        held = images + [(one["name"], one["bytes"]) for one in row["sidecars"] or ()]
        order = [at for at in [first] if at is not None and at >= 0] + [at for at in range(len(members)) if at != first]
        if [names[at] for at in order] != [name for name, _ in held]:
            self._tell(f"{row['image_id']}: it holds other files than it lists")
            return
        for at, (name, data) in zip(order, held, strict=True):
            if hashlib.sha256(data).hexdigest() != members[at]["sha256"]:
                self._tell(f"{self._shard.rows.name}, {name}: its bytes do not have the hash that its row lists")

    def _tar(self) -> None:
        """Every member against the row that it belongs to."""
        name = self._shard.body.name
        location = storage.join(self._output, name)
        if is_compressed(storage.read_range(location, 0, HEAD_BYTES)):
            self._tell(f"{name}: it is compressed, which no tar of ours is")
            return
        strange = 0
        with open_shard(location) as opened:
            for entry in walk(opened.descriptor):
                if isinstance(entry, TarDamage):
                    self._tell(f"{name}: it is damaged at byte {entry.position} ({entry.reason})")
                    return
                member = to_text(entry.name)
                expected = self._expected.pop(member, None)
                if expected is None or entry.kind != "file":
                    self._tell(f"{name}: it holds {member}, which no row lists")
                    strange += 1
                    if strange > _STRANGE:
                        return
                elif not _same(opened.descriptor, entry.offset, entry.size, expected):
                    self._tell(f"{name}, {member}: its bytes do not have the hash that its row lists")
        for member in self._expected:
            self._tell(f"{name}: it lacks {member}")

    def _folder(self) -> None:
        """Every file against the row that it belongs to."""
        body = self._shard.body
        root = storage.join(self._output, self._shard.name)
        listed: list[tuple[str, str]] = []
        size = 0
        there = {stored.url: stored.size for stored in folder_files(root)}
        for name, (sha256, length) in self._expected.items():
            if not is_inside(name):
                self._tell(f"{body.name}: the name {name!r} leads out of it")
                continue
            location = storage.join(root, from_text(name))
            listed.append((name, sha256))
            size += length
            if there.pop(location, None) is None:
                self._tell(f"{body.name}{name}: it is missing")
            elif leads_out(self._output, location):
                self._tell(f"{body.name}{name}: it is a link that leads out of the data set")
            else:
                self._file(location, f"{body.name}{name}", (sha256, length))
        for location in there:
            self._tell(f"{body.name}: it holds {to_text(location.removeprefix(f'{root}/'))}, which no row lists")
        if (folder_sha256(listed), size) != (body.sha256, body.bytes):
            self._tell(f"{body.name}: its rows list other files than the manifest hashes")

    def _file(self, location: str, name: str, expected: tuple[str, int]) -> None:
        with storage.open(location) as file:
            digest, size = hashlib.file_digest(cast("Any", file), "sha256").hexdigest(), file.tell()
        self.found.bytes += size
        if digest != expected[0]:
            self._tell(f"{name}: its bytes do not have the hash that its row lists")


def _as_delivered(table: pa.Table, members: list[Any]) -> list[Any]:
    """The members of each row with the length and hash that its image was delivered with."""
    if not set(_MADE) <= set(table.column_names):
        return members
    found = []
    for its, first, row in zip(members, table["primary"].to_pylist(), table.select(_MADE).to_pylist(), strict=True):
        new = {"length": row["delivered_bytes"], "sha256": row["delivered_sha256"]}
        there = first is not None and 0 <= first < len(its or ())
        found.append([{**one, **new} if there and at == first else one for at, one in enumerate(its or ())])
    return found


def _rendered(table: pa.Table) -> npt.NDArray[np.bool_]:
    """Of each row whether its image was made anew."""
    if _RENDERED not in table.column_names:
        return np.zeros(table.num_rows, np.bool_)
    return np.array([one is True for one in table[_RENDERED].to_pylist()], np.bool_)


def _same(descriptor: int, offset: int, size: int, expected: tuple[str, int]) -> bool:
    """Whether a member has the expected length and hash."""
    if size != expected[1]:
        return False
    digest = hashlib.sha256()
    for at in range(0, size, _READ):
        digest.update(storage.read_at(descriptor, offset + at, min(_READ, size - at)))
    return digest.hexdigest() == expected[0]


def leads_out(output: str, location: str) -> bool:
    """Whether what stands there is, through a link, outside of the data set."""
    if not storage.is_local(output):
        return False
    real = Path(os.path.realpath(storage.local_path(location)))
    return not real.is_relative_to(os.path.realpath(storage.local_path(output)))


def digests(texts: list[str]) -> Digests:
    """`(N, 2)` halves of a digest of each text: what two samples share only where the texts are the same."""
    joined = b"".join(hashlib.md5(str(text).encode(), usedforsecurity=False).digest() for text in texts)
    return np.frombuffer(joined, np.uint64).reshape(-1, 2)


def content_digests(table: pa.Table) -> Digests:
    """The same of each row's id together with the hashes of its members."""
    ids, members = table["image_id"].to_pylist(), table["members"].to_pylist()
    texts = [
        "\0".join([str(image_id), *(str(one["sha256"]) for one in its or ())])
        for image_id, its in zip(ids, members, strict=True)
    ]
    return digests(texts)

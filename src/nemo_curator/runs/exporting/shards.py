"""The files of one shard, in each of the formats, from samples that come one after another.

A shard is written by one thread from a `Feed`. Its Parquet appears last, so that its presence says that the shard is
whole; an older one goes before anything of the shard is replaced, so that it never speaks of other bytes. While a
folder is filled, a Parquet without facts in its place lists every file that may be in it: what a later export of
another plan removes there is exactly what is listed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from itertools import chain
from typing import Any

import pyarrow as pa

from nemo_curator import storage
from nemo_curator.errors import InputError
from nemo_curator.runs.exporting.copying import Block, Piece, strings_of
from nemo_curator.runs.exporting.delivered import DeliveredFile, DeliveredShard, Missing
from nemo_curator.runs.exporting.hashing import HashingFile
from nemo_curator.runs.exporting.making import MADE, Made
from nemo_curator.runs.exporting.mds import mds_columns, mds_values
from nemo_curator.runs.exporting.parquet import (
    ShardParquet,
    delivered_schema,
    images_and_sidecars,
    note_files,
    shard_facts,
    shard_parquet,
    with_places,
)
from nemo_curator.runs.exporting.settings import ENDS, Format
from nemo_curator.runs.rendering import Unrendered
from nemo_curator.shards.mds_writer import MdsWriter
from nemo_curator.shards.names import from_text
from nemo_curator.shards.parquet import read_table
from nemo_curator.shards.tar_writer import TarWriter

_WRITERS = 8  # files of a folder that are synced at the same time

Handed = Iterable[Block | Piece]


class _NothingError(Exception):
    """No sample of the shard can be had, so it gets no files."""


@dataclass(frozen=True, slots=True)
class ShardPlace:
    """Where a shard goes and what is said of it.

    Attributes:
        output: The data set.
        name: The shard's name, as `00000` or `train/00000`.
        split: The split, or "".
        plan: Fingerprint of the plan that it belongs to.
        schema: What is known of a sample.
        removed: Samples that were taken out of it. Where there are some, the shard is written anew from itself: its
            Parquet stays until the new one takes its place, and files in its folder are there already.
        gone: Names of the files in its folder that belonged to those samples.
        makes: Whether images are made anew.
        is_new: Whether nothing of it can be there yet.
    """

    output: str
    name: str
    split: str
    plan: str
    schema: pa.Schema = field(repr=False)
    removed: int = 0
    gone: frozenset[str] = frozenset()
    makes: bool = False
    is_new: bool = False

    @property
    def parquet(self) -> str:
        """Name of its Parquet."""
        return f"{self.name}.parquet"

    def file_of(self, form: Format) -> str:
        """Name of what holds the bytes."""
        return self.name + ENDS[form]


def write_shard(place: ShardPlace, form: Format, handed: Handed) -> DeliveredShard:
    """Write one shard.

    Args:
        place: Where, and what is said of it.
        form: How.
        handed: Each block, followed by its samples.

    Raises:
        StorageError: A file cannot be written.
        InputError: A name leads out of the shard's folder.
    """
    if not (place.removed or place.is_new) and form != "folder":
        storage.remove(storage.join(place.output, place.parquet))
    shard = _Shard(place, form)
    try:
        with shard_parquet(place.output, place.parquet, shard.schema) as parquet:
            body = _BODIES[form](shard, parquet, handed)
            if not parquet.rows:
                raise _NothingError  # noqa: TRY301 (it is how the file is dropped)
            parquet.facts = {"plan": place.plan, "samples": parquet.rows}
            if body is not None:
                parquet.facts["data"] = {"bytes": body.bytes, "sha256": body.sha256}
            if shard.missing:
                parquet.facts["missing"] = len(shard.missing)
            if place.makes:
                parquet.facts |= {"rendered": shard.rendered, "failed": [asdict(one) for one in shard.failed]}
            if place.removed:
                parquet.facts["removed"] = place.removed
    except _NothingError:
        storage.remove(storage.join(place.output, place.parquet))  # the list of a folder's files
        return DeliveredShard(place.split, 0, 0, (), tuple(shard.missing), tuple(shard.failed))
    rows = DeliveredFile(place.parquet, parquet.sha256, parquet.bytes, parquet.rows)
    files = (rows,) if body is None else (body, rows)
    return DeliveredShard(
        place.split, parquet.rows, files[0].bytes, files, tuple(shard.missing), tuple(shard.failed), shard.rendered
    )


class _Shard:
    """A shard under way."""

    def __init__(self, place: ShardPlace, form: Format) -> None:
        self.place = place
        self.file = place.file_of(form)
        self.schema = delivered_schema(
            place.schema, split=bool(place.split), with_bytes=form == "parquet", made=place.makes
        )
        self.missing: list[Missing] = []
        self.failed: list[Missing] = []
        self.rendered = 0
        self._made: dict[int, Made] = {}

    def samples(
        self, handed: Handed, done: Callable[[Block, list[int]], None]
    ) -> Iterator[tuple[Block, int, list[bytes], list[str]]]:
        """(block, index in it, contents, hex digest of each of them) of every sample that can be had.

        Args:
            handed: Each block, followed by its samples.
            done: Called behind the last sample of a block, with the indices of those that can be had.
        """
        block: Block | None = None
        had: list[int] = []
        for one in handed:
            if isinstance(one, Block):
                if block is not None:
                    done(block, had)
                block, had = one, []
                self._made.clear()
                continue
            assert block is not None, "a block comes before its samples"  # noqa: S101
            for index, contents in enumerate(one.contents, one.start):
                if isinstance(contents, str):
                    self.missing.append(Missing(block.ids[index], contents))
                elif isinstance(contents, Unrendered):
                    self.failed.append(Missing(block.ids[index], contents.reason))
                else:
                    had.append(index)
                    yield block, index, contents, self._hashes(block, index, one)
        if block is not None:
            done(block, had)

    def _hashes(self, block: Block, index: int, piece: Piece) -> list[str]:
        made = piece.made[index - piece.start] if piece.made else None
        if made is not None:
            self._made[index] = made
            self.rendered += made.rendered
        return block.hashes(index, made)

    def rows(self, block: Block, had: Sequence[int], more: dict[str, list[Any]] | None = None) -> pa.Table:
        """The rows of a block's samples that could be had."""
        table, keys, names = block.table, block.keys, block.names
        if len(had) < table.num_rows:
            table = table.take(pa.array(had, pa.int64()))
            keys, names = [keys[at] for at in had], [names[at] for at in had]
        places: dict[str, Sequence[Any] | str] = {
            "shard": self.file.rstrip("/"),
            "split": self.place.split,
            "files": names,
            "key": keys,
            "original_key": strings_of(table, "key"),
            **(self._about_images(had) if self.place.makes else {}),
            **(more or {}),
        }
        return with_places(table, self.schema, places)

    def _about_images(self, had: Sequence[int]) -> dict[str, list[Any]]:
        """The columns about images that were made anew."""
        made = [asdict(self._made[at]) for at in had]
        return {name: [one[name.removeprefix("delivered_")] for one in made] for name in MADE}


def _tar(shard: _Shard, parquet: ShardParquet, handed: Handed) -> DeliveredFile:
    def done(block: Block, had: list[int]) -> None:
        parquet.write(shard.rows(block, had))

    with storage.write_atomic(storage.join(shard.place.output, shard.file)) as file:
        tar = TarWriter(file)
        for block, index, contents, hashes in shard.samples(handed, done):
            for name, data, sha256 in zip(block.names[index], contents, hashes, strict=True):
                tar.add(name, data, sha256=sha256)
        tar.close()
        if not parquet.rows:
            raise _NothingError
    return DeliveredFile(shard.file, tar.sha256, tar.size, parquet.rows)


def _mds(shard: _Shard, parquet: ShardParquet, handed: Handed) -> DeliveredFile:
    gathered: list[list[bytes]] = []

    def done(block: Block, had: list[int]) -> None:
        rows = shard.rows(block, had)
        for values in mds_values(rows, gathered):
            writer.add(values)
        parquet.write(rows)
        gathered.clear()

    with MdsWriter(mds_columns(shard.schema)) as writer:
        for _, _, contents, _ in shard.samples(handed, done):
            gathered.append(contents)
        if not parquet.rows:
            raise _NothingError
        with storage.write_atomic(storage.join(shard.place.output, shard.file)) as file:
            hashing = HashingFile(file)
            writer.write_to(hashing.write)
    return DeliveredFile(shard.file, hashing.sha256, hashing.size, parquet.rows)


def _folder(shard: _Shard, parquet: ShardParquet, handed: Handed) -> DeliveredFile:
    place = shard.place
    root = storage.join(place.output, place.name)
    ours = set(place.gone) if place.removed else set() if place.is_new else names_listed(place)
    listed: list[tuple[str, str]] = []
    size = 0

    def done(block: Block, had: list[int]) -> None:
        parquet.write(shard.rows(block, had))

    def write(name: str, data: bytes) -> None:
        with storage.write_atomic(storage.join(root, from_text(name))) as file:
            file.write(data)

    with ThreadPoolExecutor(_WRITERS) as pool:
        samples = shard.samples(handed if place.removed else _noted(handed, place, ours), done)
        for block, index, contents, hashes in samples:
            names = block.names[index]
            for name in names:
                refuse_outside(name)
            if not place.removed:
                list(pool.map(write, names, contents))
            listed += zip(names, hashes, strict=True)
            size += sum(map(len, contents))
    remove_files(place, ours.difference(name for name, _ in listed))
    return DeliveredFile(shard.file, folder_sha256(listed), size, parquet.rows)


def _noted(handed: Handed, place: ShardPlace, ours: set[str]) -> Iterator[Block | Piece]:
    """What is handed, with every file's name on the disk before the file is."""
    for one in handed:
        if isinstance(one, Block):
            ours.update(chain.from_iterable(one.names))
            note_files(place.output, place.parquet, sorted(ours))
        yield one
        del one  # its bytes need not wait for the next


def names_listed(place: ShardPlace) -> set[str]:
    """Names of the files that may be in a shard's folder, as far as its Parquet knows."""
    location = storage.join(place.output, place.parquet)
    if shard_facts(location) is None:
        return set()
    try:
        files: Any = read_table(location, ["files"])["files"].combine_chunks()
        return set(files.flatten().to_pylist())
    except (OSError, pa.ArrowException, LookupError, AttributeError):
        return set()


def remove_files(place: ShardPlace, names: Iterable[str]) -> None:
    """Remove files from a shard's folder, and the folders in which nothing is left.

    Raises:
        StorageError: One cannot be removed.
        InputError: A name leads out of the folder; nothing is removed then.
    """
    found = sorted(names)
    for name in found:
        refuse_outside(name)
    locations = [storage.join(place.output, place.name, from_text(name)) for name in found]
    for location in locations:
        storage.remove(location)
    storage.prune(locations, place.output)


def _rows_alone(shard: _Shard, parquet: ShardParquet, handed: Handed) -> None:
    gathered: list[list[bytes]] = []

    def done(block: Block, had: list[int]) -> None:
        members, names = [block.members[at] for at in had], [block.names[at] for at in had]
        own = images_and_sidecars(members, names, [block.primary[at] for at in had], gathered)
        parquet.write(shard.rows(block, had, own))
        gathered.clear()

    for _, _, contents, _ in shard.samples(handed, done):
        gathered.append(contents)


_BODIES: dict[str, Callable[[_Shard, ShardParquet, Handed], DeliveredFile | None]] = {
    "webdataset": _tar,
    "folder": _folder,
    "parquet": _rows_alone,
    "mds": _mds,
}


def is_inside(name: str) -> bool:
    """Whether a relative path stays in its folder and names one place only."""
    return "\0" not in name and all(part not in ("", ".", "..") for part in from_text(name).split("/"))


def refuse_outside(name: str) -> None:
    """Refuse a name that would lead out of its folder.

    Raises:
        InputError: It would.
    """
    if not is_inside(name):
        raise InputError(
            f"the name {name!r} leads out of the folder that it belongs in",
            act="leave the sample out with a deny list, or export as webdataset",
        )


def folder_files(root: str) -> list[storage.Stored]:
    """Every file in a shard's folder; none where there is no such folder."""
    try:
        return storage.list(root)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise storage.storage_error(root, error, verb="be listed") from None


def folder_sha256(files: Iterable[tuple[str, str]]) -> str:
    """Hash of a folder: of the lines `<sha256>  <name>` of its files, sorted by name bytewise.

    Args:
        files: (name, hex digest) of each.
    """
    digest = hashlib.sha256()
    for name, sha256 in sorted(files, key=lambda pair: pair[0].encode()):
        digest.update(f"{sha256}  {name}\n".encode())
    return digest.hexdigest()

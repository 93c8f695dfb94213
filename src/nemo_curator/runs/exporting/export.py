"""The kept samples' own bytes, copied from their sources into shards of a chosen size, in source order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Any, cast

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from nemo_curator import storage
from nemo_curator.kernels.source import Member, Source
from nemo_curator.runs.exporting.hashing import HashingFile
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.parts import ERROR, read_part
from nemo_curator.shards.fetch import MemberReader
from nemo_curator.shards.naming import member_names, unique_key
from nemo_curator.shards.partitioning import Partition
from nemo_curator.shards.tar_writer import TarWriter

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class DeliveredFile:
    """One file of a delivered data set.

    Attributes:
        name: File name.
        sha256: Hex digest of its bytes.
        bytes: Its length.
        samples: Samples in it.
    """

    name: str
    sha256: str
    bytes: int
    samples: int


@dataclass(slots=True)
class Exported:
    """What an export wrote.

    Attributes:
        files: Every tar and Parquet, in order.
        samples: Samples written.
        bytes: Bytes of the tars.
    """

    files: list[DeliveredFile] = field(default_factory=list)
    samples: int = 0
    bytes: int = 0


def export(
    run: RunDirectory,
    partitions: Sequence[Partition],
    output: str,
    shard_size: int,
    progress: Callable[[int], None] = lambda _: None,
) -> Exported:
    """Write the kept samples as tars with a Parquet beside each.

    Args:
        run: The run, decided.
        partitions: Its partitions, in source order.
        output: Folder or URL to write into.
        shard_size: Samples a tar holds; the last may hold fewer.
        progress: Called with the number of samples written since the last call.

    Raises:
        InputError: A source's bytes are not the ones that were scored.
        StorageError: A file cannot be written.
    """
    exported = Exported()
    samples = _kept_samples(run, partitions)
    schema: pa.Schema | None = None
    while first := next(samples, None):
        schema = schema or _schema(run, partitions)
        shard = chain([first], islice(samples, shard_size - 1))
        tar, rows = _write_tar(output, f"{len(exported.files) // 2:05d}", shard, progress)
        exported.files += [tar, _write_rows(output, tar.name.replace(".tar", ".parquet"), rows, schema)]
        exported.samples += len(rows)
        exported.bytes += tar.bytes
    return exported


def _write_tar(
    output: str, name: str, samples: Iterator[tuple[Row, list[bytes]]], progress: Callable[[int], None]
) -> tuple[DeliveredFile, list[Row]]:
    rows: list[Row] = []
    taken: set[str] = set()
    with storage.write_atomic(storage.join(output, f"{name}.tar")) as file:
        tar = TarWriter(file)
        for row, contents in samples:
            names = _output_names(row, taken)
            for member, known, content in zip(names, row["members"], contents, strict=True):
                tar.add(member, content, sha256=known["sha256"])
            rows.append({**row, "shard": f"{name}.tar", "files": names})
            progress(1)
        tar.close()
    return DeliveredFile(f"{name}.tar", tar.sha256, tar.size, len(rows)), rows


def _output_names(row: Row, taken: set[str]) -> list[str]:
    """Names of a sample's members in the output: its own key and extensions, made unique in the shard."""
    members = [Member(**member) for member in row["members"]]
    source = Source(path=row["source"], key=row["key"], members=tuple(members), primary=row["primary"])
    key = unique_key(source, row["image_id"], taken)
    row["original_key"], row["key"] = row["key"], key
    kinds = [row["format"] if index == row["primary"] else "" for index in range(len(members))]
    return member_names(key, [(member.extension, kind) for member, kind in zip(members, kinds, strict=True)])


def _kept_samples(run: RunDirectory, partitions: Sequence[Partition]) -> Iterator[tuple[Row, list[bytes]]]:
    """Every kept row with the bytes of its members, in source order, one partition's rows in memory at a time."""
    with storage.open(run.decisions) as file:
        verdicts = pq.read_table(file, columns=["verdict"])["verdict"]
    start = 0
    with MemberReader() as reader:
        for partition in partitions:
            part = read_part(run, partition.id)
            keep = pc.equal(verdicts.slice(start, part.num_rows), pa.scalar("keep"))
            start += part.num_rows
            rows = part.filter(keep).drop_columns(list(ERROR)).to_pylist()
            _add_embeddings(run, partition.id, rows)
            locations = {entry.path: entry.location for entry in partition.entries}
            for row in rows:
                members = [Member(**member) for member in row["members"]]
                yield row, list(reader.read(locations[row["source"]], members))


def _add_embeddings(run: RunDirectory, partition_id: str, rows: list[Row]) -> None:
    if not storage.exists(run.embeddings(partition_id)):
        return
    with storage.open(run.embeddings(partition_id)) as file:
        table = pq.read_table(file)
    vectors = dict(zip(table["image_id"].to_pylist(), table["embedding"].to_numpy(), strict=True))
    for row in rows:
        row["embedding"] = vectors[row["image_id"]]


def _schema(run: RunDirectory, partitions: Sequence[Partition]) -> pa.Schema:
    """Everything known about a sample: the run's columns, and where the sample stands in the delivered data set."""
    with storage.open(run.part(partitions[0].id)) as file:
        part = pq.read_schema(file)
    fields = [field for field in part if field.name not in ERROR and field.name != "ordinal"]
    fields[1:1] = [pa.field("shard", pa.string()), pa.field("files", pa.list_(pa.string()))]
    fields.insert([field.name for field in fields].index("key") + 1, pa.field("original_key", pa.string()))
    for partition in partitions:
        if storage.exists(run.embeddings(partition.id)):
            with storage.open(run.embeddings(partition.id)) as file:
                fields.append(pq.read_schema(file).field("embedding"))
            break
    return pa.schema(fields)


def _write_rows(output: str, name: str, rows: list[Row], schema: pa.Schema) -> DeliveredFile:
    columns = [pa.array([row.get(field.name) for row in rows], field.type) for field in schema]
    with storage.write_atomic(storage.join(output, name)) as file:
        hashing = HashingFile(file)
        pq.write_table(pa.table(columns, schema=schema), cast("Any", hashing), compression="zstd")
    return DeliveredFile(name, hashing.sha256, hashing.size, len(rows))

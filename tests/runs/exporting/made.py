"""Small decided runs over real files, without a decoder: the rows say what a scoring run would have said."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from nemo_curator import storage
from nemo_curator.runs.deciding import SCHEMA, Funnel
from nemo_curator.runs.exporting import Exported, ExportSettings, export, write_manifest
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.partitions import write_partitions
from nemo_curator.runs.parts import part_schema, write_embeddings, write_part
from nemo_curator.shards.folder_reader import read_loose
from nemo_curator.shards.listing import list_inputs
from nemo_curator.shards.partitioning import Partition, partition
from nemo_curator.shards.sample import Sample
from nemo_curator.shards.tar_reader import read_tar
from nemo_curator.stages.declarations import Column
from nemo_curator.testing import make_tar

JPEG = b"\xff\xd8\xff\xe0" + b"\0\x10JFIF\0"
COLUMNS = (Column("sharpness"), Column("label", "string"))

Made = tuple[RunDirectory, list[Partition]]


def image(number: int, size: int = 300) -> bytes:
    """Bytes that begin as a JPEG does, different for every number."""
    body = np.random.default_rng(number).bytes(size)
    return JPEG + body


def tars(folder: Path, shards: int = 3, samples: int = 5, suffix: str = ".tar") -> Path:
    """A folder of tars whose samples have an image, a caption and a JSON sidecar."""
    for shard in range(shards):
        members = []
        for sample in range(samples):
            number = shard * samples + sample
            key = f"{number:04d}"
            members += [(f"{key}.jpg", image(number, 200 + 37 * number)), (f"{key}.txt", f"caption {number}".encode())]
            members += [(f"{key}.json", b'{"n": %d}' % number)] if number % 2 else []
        make_tar(folder / f"{shard:03d}{suffix}", members)
    return folder


def scored(source: Path | str, place: Path, *, embeddings: bool = False) -> Made:
    """A run whose parts hold what reading the source gives."""
    run = RunDirectory(str(place))
    partitions = partition(list_inputs([str(source)]).entries)
    write_partitions(run, partitions)
    schema = part_schema(COLUMNS)
    for one in partitions:
        samples: list[Sample] = []
        for entry in one.entries:
            reads = read_tar(entry.location, root=entry.root) if entry.kind == "tar" else read_loose([entry])
            samples += reads
        rows = [_row(sample, ordinal) for ordinal, sample in enumerate(samples)]
        write_part(run, one.id, rows, schema, {"sharpness": "1"})
        good = [row for row in rows if row["error"] is None]
        if embeddings and good:
            vectors = [np.full(4, row["bytes"] % 7, np.float32) for row in good]
            write_embeddings(run, one.id, [row["image_id"] for row in good], vectors)
    return run, partitions


def _row(sample: Sample, ordinal: int) -> dict[str, Any]:
    """The part row of a sample."""
    source = sample.source
    first = source.members[source.primary] if source.primary >= 0 else None
    return {
        "image_id": sample.image_id,
        "input": source.name,
        "source": source.path,
        "key": source.key,
        "ordinal": ordinal,
        "members": [{name: getattr(one, name) for name in one.__slots__} for one in source.members],
        "primary": source.primary,
        "format": "jpeg" if first else None,
        "bytes": first.length if first else None,
        "sha256": first.sha256 if first else None,
        "sharpness": ordinal / 7,
        "error": sample.error or None,
    }


Verdict = Callable[[int, str], tuple[str, str | None]]


def decide(made: Made, verdict: Verdict = lambda at, image_id: ("keep", None)) -> list[str]:
    """Write a verdict (and a split) for every record; returns the ids that are kept, in source order.

    Args:
        made: The run.
        verdict: Position and id to (verdict, split or None).
    """
    run, partitions = made
    ids: list[str] = []
    for one in partitions:
        table = pq.read_table(run.part(one.id), columns=["image_id", "error"])
        ids += table["image_id"].to_pylist()
    found = [verdict(at, image_id) for at, image_id in enumerate(ids)]
    columns = {
        "image_id": ids,
        "verdict": [one for one, _ in found],
        **({"split": [split for _, split in found]} if any(split for _, split in found) else {}),
    }
    fields = [pa.field(name, SCHEMA.field(name).type) for name in columns]
    with storage.write_atomic(run.decisions) as file:
        pq.write_table(pa.table(columns, schema=pa.schema(fields)), file)
    return [image_id for image_id, (one, _) in zip(ids, found, strict=True) if one == "keep"]


def deliver(made: Made, output: Path | str, settings: ExportSettings, **options: Any) -> Exported:
    """Export and write the manifest."""
    exported = export(made[0], made[1], str(output), settings, **options)
    manifest_of(output, exported)
    return exported


def manifest_of(output: Path | str, exported: Exported) -> None:
    """The manifest of an export."""
    write_manifest(
        str(output),
        recipe={"rules": {}, "allow": "/somewhere/allow.txt"},
        fingerprint="0123456789abcdef",
        versions={"pyarrow": "1"},
        funnel=Funnel(inputs=exported.samples, kept=exported.samples),
        lists={},
        exported=exported,
    )


def rows_of(output: Path) -> list[dict[str, Any]]:
    """All delivered rows, shard after shard."""
    return [row for path in sorted(output.rglob("[0-9]*.parquet")) for row in pq.read_table(path).to_pylist()]


def contents(output: Path) -> dict[str, bytes]:
    """Every file of a data set."""
    return {str(path.relative_to(output)): path.read_bytes() for path in sorted(output.rglob("*")) if path.is_file()}


def digest(data: bytes) -> str:
    """Hex SHA-256."""
    return hashlib.sha256(data).hexdigest()

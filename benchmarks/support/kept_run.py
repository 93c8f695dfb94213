"""A decided run over photos of a usual size, read and hashed but not scored: what an export begins with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from nemo_curator import storage
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.parts import part_schema, write_part
from nemo_curator.shards.folder_reader import read_loose
from nemo_curator.shards.listing import list_inputs
from nemo_curator.shards.partitioning import Partition, partition
from nemo_curator.shards.tar_reader import read_tar
from nemo_curator.shards.tar_writer import TarWriter
from nemo_curator.testing import encoded, photo

KEPT = 0.8
_PER_TAR = 1000
_DIFFERENT = 16


def photos(count: int) -> Iterator[tuple[str, bytes]]:
    """(key, bytes) of JPEGs of about 100 KB; copies of a few, each with a number behind its last byte."""
    made = [encoded(photo(seed, 900, 675), quality=91) for seed in range(_DIFFERENT)]
    for number in range(count):
        yield f"{number:09d}", made[number % _DIFFERENT] + number.to_bytes(8, "big")


def write_tars(folder: Path, count: int) -> None:
    """Shards of a thousand photos with captions."""
    folder.mkdir(parents=True)
    found = photos(count)
    for shard in range(count // _PER_TAR):
        with (folder / f"{shard:05d}.tar").open("wb") as file, TarWriter(file) as tar:
            for _ in range(_PER_TAR):
                key, data = next(found)
                tar.add(f"{key}.jpg", data)
                tar.add(f"{key}.txt", f"picture {key}".encode())


def write_files(folder: Path, count: int) -> None:
    """Loose photos in folders of a thousand."""
    for number, (key, data) in enumerate(photos(count)):
        place = folder / f"{number // _PER_TAR:05d}"
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{key}.jpg").write_bytes(data)


def kept_run(source: Path, root: Path) -> tuple[RunDirectory, list[Partition]]:
    """Parts as reading gives them, and decisions that keep a share of the samples."""
    run, partitions = RunDirectory(str(root)), partition(list_inputs([str(source)]).entries)
    schema = part_schema(())
    ids: list[str] = []
    for one in partitions:
        rows = []
        for entry in one.entries:
            samples = read_tar(entry.location, root=entry.root) if entry.kind == "tar" else read_loose([entry])
            for sample in samples:
                its = sample.source
                members = [{name: getattr(member, name) for name in member.__slots__} for member in its.members]
                known = {"source": its.path, "key": its.key, "primary": its.primary, "format": "jpeg"}
                rows.append({"image_id": sample.image_id, "ordinal": len(rows), "members": members, **known})
        write_part(run, one.id, rows, schema)
        ids += [row["image_id"] for row in rows]
    verdicts = ["keep" if number % 10 < KEPT * 10 else "reject" for number in range(len(ids))]
    with storage.write_atomic(run.decisions) as file:
        pq.write_table(pa.table({"image_id": ids, "verdict": verdicts}), file)
    return run, partitions

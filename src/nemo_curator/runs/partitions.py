"""The list of partitions, frozen in the run: files that appear later form new ones behind it."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from nemo_curator import storage
from nemo_curator.errors import InputError
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.shards.entry import Entry
from nemo_curator.shards.parquet import read_table
from nemo_curator.shards.partitioning import Partition

_COLUMNS: dict[str, pa.DataType] = {
    "partition_id": pa.string(),
    "location": pa.binary(),  # names of files need not be UTF-8
    "root": pa.binary(),
    "input": pa.string(),
    "path": pa.string(),
    "kind": pa.string(),
    "size": pa.int64(),
    "sidecars": pa.list_(pa.string()),
    "version": pa.string(),
}


def write_partitions(run: RunDirectory, partitions: Sequence[Partition]) -> None:
    """Freeze the list.

    Raises:
        StorageError: The file cannot be written.
    """
    with storage.write_atomic(run.partitions) as file:
        file.write(_packed(partitions))


def create_partitions(run: RunDirectory, partitions: Sequence[Partition]) -> bool:
    """Freeze the list if there is none; whether it was this one that did.

    Raises:
        StorageError: The file cannot be written.
    """
    return storage.create(run.partitions, _packed(partitions))


def list_version(run: RunDirectory) -> str:
    """Changes when the list is written anew; "" where there is none, or nobody knows."""
    try:
        return storage.stat(run.partitions).version
    except OSError:
        return ""


def _packed(partitions: Sequence[Partition]) -> bytes:
    pairs = [(partition.id, entry) for partition in partitions for entry in partition.entries]
    values: dict[str, list[Any]] = {
        "partition_id": [partition_id for partition_id, _ in pairs],
        "location": [_raw(_anchored(entry.location)) for _, entry in pairs],
        "root": [_raw(_anchored(entry.root)) for _, entry in pairs],
        "input": [entry.name for _, entry in pairs],
        "path": [entry.path for _, entry in pairs],
        "kind": [entry.kind for _, entry in pairs],
        "size": [entry.size for _, entry in pairs],
        "sidecars": [list(entry.sidecars) for _, entry in pairs],
        "version": [entry.version for _, entry in pairs],
    }
    packed = io.BytesIO()
    pq.write_table(pa.table(values, schema=pa.schema(_COLUMNS)), packed, compression="zstd", write_page_checksum=True)
    return packed.getvalue()


def read_partition_ids(run: RunDirectory) -> list[str]:
    """Ids of the partitions, in source order, without an object for each of a million files; none before scoring.

    Raises:
        InputError: The list is damaged.
    """
    if not storage.exists(run.partitions):
        return []
    table = _read(run, ["partition_id"])
    return [str(one) for one in pc.unique(table["partition_id"]).to_pylist()]


def read_partitions(run: RunDirectory) -> list[Partition]:
    """The frozen list, in source order; empty where none was written yet.

    Raises:
        InputError: It is damaged.
    """
    if not storage.exists(run.partitions):
        return []
    rows = _read(run).to_pylist()
    grouped: dict[str, list[Entry]] = {}
    for row in rows:
        entry = Entry(
            location=_text(row["location"]),
            root=_text(row["root"]),
            name=row["input"],
            path=row["path"],
            kind=row["kind"],
            size=row["size"],
            sidecars=tuple(row["sidecars"]),
            version=row["version"],
        )
        grouped.setdefault(row["partition_id"], []).append(entry)
    return [Partition(tuple(entries)) for entries in grouped.values()]


class Locations:
    """Where the sources of a run lie, without an object for each of a million files.

    Args:
        run: The run.

    Attributes:
        ids: Ids of the partitions, in source order.

    Raises:
        FileNotFoundError: There is no list of partitions.
        InputError: It is damaged.
    """

    def __init__(self, run: RunDirectory) -> None:
        self._table = _read(run, ["partition_id", "path", "location"])
        self.ids = [str(one) for one in pc.unique(self._table["partition_id"]).to_pylist()]

    def of(self, partition_id: str, paths: Iterable[str]) -> dict[str, str]:
        """Source path to what opens it, for some sources of a partition."""
        same = pc.and_(
            pc.equal(self._table["partition_id"], pa.scalar(partition_id)),
            pc.is_in(self._table["path"], value_set=pa.array(sorted(set(paths)), pa.string())),
        )
        return {row["path"]: _text(row["location"]) for row in self._table.filter(same).to_pylist()}


def _read(run: RunDirectory, columns: Sequence[str] | None = None) -> pa.Table:
    wanted = columns or list(_COLUMNS)
    try:
        kinds = pa.schema([(name, _COLUMNS[name]) for name in wanted])
        table = read_table(run.partitions, wanted).select(wanted).cast(kinds)
    except FileNotFoundError:
        raise
    except (OSError, KeyError, ValueError, pa.ArrowException) as error:
        raise _damaged(run, " ".join(str(error).split())) from None
    empty = next((name for name in wanted if table[name].null_count), None)
    if empty is not None:
        raise _damaged(run, f"a value of the column {empty} is missing")
    return table


def _damaged(run: RunDirectory, cause: str) -> InputError:
    return InputError(
        "the list of partitions is damaged",
        where=run.partitions,
        cause=cause,
        act="remove that file and score again: parts that are there are used",
    )


def _anchored(place: str) -> str:
    """A place that is found from any directory: a run may be exported from another one than it was scored in."""
    return os.path.abspath(place) if place and storage.is_local(place) else place  # noqa: PTH100 (paths are strings)


def _raw(path: str) -> bytes:
    return path.encode("utf-8", "surrogateescape")


def _text(path: bytes) -> str:
    return path.decode("utf-8", "surrogateescape")

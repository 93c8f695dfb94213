"""Partitions as the tasks that carry them, and back to samples."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from nemo_curator.errors import InputError
from nemo_curator.shards.ahead import ReadAhead
from nemo_curator.shards.listing import list_inputs
from nemo_curator.shards.names import beside, is_arrow_name, is_parquet_name, is_tar_name
from nemo_curator.shards.partitioning import Partition
from nemo_curator.shards.reading import read_partition
from nemo_curator.shards.rows_of_images import holds_images
from nemo_curator.shards.sample import Sample
from nemo_curator.stages.worker import MOST, POISON
from nemo_curator.tasks import FileGroupTask

NEW = "is_new"
"""Key in the metadata of a partition's task: whether the run that it is scored into has no file of it yet."""


def partition_task(
    partition: Partition, poison: Mapping[str, str] | None = None, *, is_new: bool = False
) -> FileGroupTask:
    """The unit of work that reads a partition.

    Args:
        partition: The partition.
        poison: Image id to why no stage may touch that image, for those that were given up before.
        is_new: Whether the run that it is scored into has nothing of it yet.
    """
    parquets = [entry.location for entry in partition.entries if entry.has_rows]
    one_root = all(entry.root == partition.root for entry in partition.entries)
    return FileGroupTask(
        data=[entry.location for entry in partition.entries],
        _metadata={
            "input_root": partition.root if one_root else "",
            "input_name": partition.name,
            "partition_id": partition.id,
            "sidecars": {
                entry.location: [beside(entry.location, path) for path in entry.sidecars]
                for entry in partition.entries
                if entry.sidecars
            },
            **({"parquets": parquets} if parquets else {}),
            **({POISON: dict(poison)} if poison else {}),
            **({NEW: True} if is_new else {}),
        },
        task_id=partition.id,
    )


def read_task(
    task: FileGroupTask,
    *,
    max_bytes: int,
    about_to_read: Callable[[int], None] = lambda _: None,
    ahead: ReadAhead | None = None,
) -> Iterator[Sample]:
    """The samples of a task's files, in order, holding one at a time.

    A task made by hand, with nothing but paths, is read too: sidecars are then looked for beside each image.

    Args:
        task: The files.
        max_bytes: Longest file of a sample that is read, bytes.
        about_to_read: As for `read_partition`.
        ahead: As for `read_partition`.
    """
    metadata = task._metadata
    if "sidecars" not in metadata:
        tables = [location for location in task.data if is_parquet_name(location) or is_arrow_name(location)]
        parquets = [location for location in tables if holds_images(location)]
        sidecars = {location: _sidecars(location) for location in task.data}
        metadata = {"parquets": parquets, **metadata, "sidecars": sidecars}
    yield from read_partition(
        task.data, metadata, max_bytes=max_bytes, most=metadata.get(MOST), about_to_read=about_to_read, ahead=ahead
    )


def _sidecars(location: str) -> list[str]:
    """What lies beside a loose image and belongs to it; nothing where the file cannot be found."""
    if is_tar_name(location):
        return []
    try:
        entries = list_inputs([location]).entries
    except InputError:  # the reader says so, in the record of this file
        return []
    return [beside(location, path) for entry in entries for path in entry.sidecars]

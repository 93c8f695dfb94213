"""Partitions as the tasks that carry them, and back to samples."""

from __future__ import annotations

from collections.abc import Iterator

from nemo_curator.errors import InputError
from nemo_curator.shards.entry import Entry, entry_at
from nemo_curator.shards.folder_reader import read_loose
from nemo_curator.shards.listing import list_inputs
from nemo_curator.shards.names import beside
from nemo_curator.shards.partitioning import Partition
from nemo_curator.shards.sample import Sample
from nemo_curator.shards.tar_reader import read_tar
from nemo_curator.tasks import FileGroupTask


def partition_task(partition: Partition) -> FileGroupTask:
    """The unit of work that reads a partition."""
    first = partition.entries[0]
    one_root = all(entry.root == first.root for entry in partition.entries)
    return FileGroupTask(
        data=[entry.location for entry in partition.entries],
        _metadata={
            "input_root": first.root if one_root else "",
            "input_name": first.name,
            "partition_id": partition.id,
            "kinds": [entry.kind for entry in partition.entries],
            "sidecars": {
                entry.location: [beside(entry.location, path) for path in entry.sidecars]
                for entry in partition.entries
                if entry.sidecars
            },
        },
        task_id=partition.id,
    )


def read_task(task: FileGroupTask, *, max_bytes: int) -> Iterator[Sample]:
    """The samples of a task's files, in order, holding one at a time.

    A task made by hand, with nothing but paths, is read too: kinds are then told by name, and sidecars looked for
    beside each image.

    Args:
        task: The files.
        max_bytes: Longest file of a sample that is read, bytes.
    """
    for entry in _entries(task):
        if entry.kind == "tar":
            yield from read_tar(entry.location, root=entry.root, name=entry.name, max_bytes=max_bytes)
        else:
            yield from read_loose([entry], max_bytes=max_bytes)


def _entries(task: FileGroupTask) -> Iterator[Entry]:
    root = str(task._metadata.get("input_root", ""))
    name = str(task._metadata.get("input_name", ""))
    kinds = task._metadata.get("kinds") or [None] * len(task.data)
    listed = task._metadata.get("sidecars")
    for location, kind in zip(task.data, kinds, strict=True):
        known = entry_at(location, root=root, name=name)
        sidecars: tuple[str, ...] = ()
        if known.kind != "tar":
            beside_it = _sidecars(location) if listed is None else listed.get(location, [])
            folder, slash, _ = known.path.rpartition("/")
            sidecars = tuple(f"{folder}{slash}{entry_at(one).path}" for one in beside_it)
        yield Entry(location, root, name, known.path, kind or known.kind, sidecars=sidecars)


def _sidecars(location: str) -> list[str]:
    """What lies beside a loose image and belongs to it; nothing where the file cannot be found."""
    try:
        entries = list_inputs([location]).entries
    except InputError:  # the reader says so, in the record of this file
        return []
    return [beside(location, path) for entry in entries for path in entry.sidecars]

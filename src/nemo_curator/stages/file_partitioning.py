"""Paths to partitions."""

from __future__ import annotations

import glob
from dataclasses import dataclass
from typing import Any

from nemo_curator import storage
from nemo_curator.kernels.sizes import parse_size
from nemo_curator.shards.entry import Entry
from nemo_curator.shards.listing import list_inputs
from nemo_curator.shards.names import relative_path
from nemo_curator.shards.partitioning import partition
from nemo_curator.stages.base import ProcessingStage
from nemo_curator.stages.declarations import Needs
from nemo_curator.stages.image.io.partition_tasks import partition_task
from nemo_curator.tasks import EmptyTask, FileGroupTask


@dataclass
class FilePartitioningStage(ProcessingStage[EmptyTask, FileGroupTask]):
    """Lists files and groups them into partitions; sorted, and the same every time.

    Without sizes each tar is a partition and loose images come in bounded groups.

    Args:
        file_paths: A folder, file or glob pattern, or a list of such.
        files_per_partition: Files in each partition; excludes `blocksize`.
        blocksize: Bytes in each partition, as a number or a text such as `512MB`; excludes `files_per_partition`.
        file_extensions: Only files of these extensions; left out, images (by name or content) and tars.
        storage_options: Accepted for compatibility; options of a storage come from its own environment variables.
        limit: Partitions at most.

    Raises:
        ValueError: Both sizes are given, or a size is not positive.
    """

    file_paths: str | list[str]
    files_per_partition: int | None = None
    blocksize: int | str | None = None
    file_extensions: list[str] | None = None
    storage_options: dict[str, Any] | None = None
    limit: int | None = None
    _name: str = "file_partitioning"

    def __post_init__(self) -> None:
        """Refuse both sizes at once."""
        if self.files_per_partition is not None and self.blocksize is not None:
            raise ValueError("give files_per_partition or blocksize, not both: they are two ways to say one thing")

    def inputs(self) -> tuple[list[str], list[str]]:
        """Nothing."""
        return [], []

    def outputs(self) -> tuple[list[str], list[str]]:
        """Groups of files."""
        return ["data"], []

    def needs(self) -> Needs:
        """No pixels."""
        return Needs()

    def process(self, task: EmptyTask) -> list[FileGroupTask]:
        """List the files.

        Raises:
            MissingInputError: There is nothing at a path.
            EmptyInputError: There is no image and no tar.
        """
        paths = [self.file_paths] if isinstance(self.file_paths, str) else list(self.file_paths)
        places = [place for path in paths for place in _globbed(path)]
        entries = self._of_extensions(places) if self.file_extensions else _images_and_tars(places)
        size = None if self.blocksize is None else parse_size(self.blocksize)
        groups = [partition_task(one) for one in partition(entries, self.files_per_partition, size, self.limit)]
        for index, group in enumerate(groups):
            group.dataset_name = task.dataset_name
            group.task_id = f"{self.name}-{index:06d}"
        return groups

    def _of_extensions(self, places: list[str]) -> list[Entry]:
        wanted = tuple(f".{extension.lstrip('.').lower()}" for extension in self.file_extensions or [])
        known = {entry.location: entry for entry in _images_and_tars(places)}
        entries: list[Entry] = []
        for place in places:
            root = place if storage.stat(place).is_dir else ""
            for stored in storage.list(place):
                if stored.kind == "file" and stored.url.lower().endswith(wanted):
                    path = relative_path(stored.url, root)
                    entries.append(known.get(stored.url) or Entry(stored.url, root, "", path, "stray", stored.size))
        return entries


def _globbed(path: str) -> list[str]:
    """The paths that a pattern stands for; a path that exists, or is no local pattern, is itself."""
    if not glob.has_magic(path) or not storage.is_local(path) or storage.exists(path):
        return [path]
    return sorted(glob.glob(path, recursive=True)) or [path]  # noqa: PTH207 (paths are strings: URLs too)


def _images_and_tars(places: list[str]) -> list[Entry]:
    return [entry for entry in list_inputs(places).entries if entry.kind != "stray"]

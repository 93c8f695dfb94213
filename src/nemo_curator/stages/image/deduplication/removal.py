"""Drops images whose ids a deduplication listed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from loguru import logger

from nemo_curator import storage
from nemo_curator.errors import nearest
from nemo_curator.shards.parquet import open_parquet
from nemo_curator.stages.base import ProcessingStage
from nemo_curator.stages.declarations import Needs
from nemo_curator.stages.worker import WorkerMetadata
from nemo_curator.tasks import ImageBatch


@dataclass
class ImageDuplicatesRemovalStage(ProcessingStage[ImageBatch, ImageBatch]):
    """Removes the images whose id stands in any Parquet file of a folder.

    Args:
        removal_parquets_dir: Folder or URL with the Parquet files, read at any depth.
        duplicate_id_field: Column that holds the ids to remove.
        verbose: Log how many of each batch went.
        num_workers_per_node: Workers a host should have; None leaves it to the executor.
    """

    removal_parquets_dir: str
    duplicate_id_field: str = "id"
    verbose: bool = False
    num_workers_per_node: int | None = None
    _name: str = "image_dedup_filter"

    def __post_init__(self) -> None:
        """No ids are known before `setup`."""
        self._ids: frozenset[str] = frozenset()

    def inputs(self) -> tuple[list[str], list[str]]:
        """A batch with `data`."""
        return ["data"], []

    def outputs(self) -> tuple[list[str], list[str]]:
        """A batch with `data`."""
        return ["data"], []

    def needs(self) -> Needs:
        """Only ids."""
        return Needs()

    def num_workers(self) -> int | None:
        """The number asked for."""
        return self._num_workers if self._num_workers is not None else self.num_workers_per_node

    def xenna_stage_spec(self) -> dict[str, Any]:
        """Pass the number of workers a host on."""
        return {} if self.num_workers_per_node is None else {"num_workers_per_node": self.num_workers_per_node}

    def setup(self, _worker_metadata: WorkerMetadata | None = None) -> None:
        """Read the ids.

        Raises:
            FileNotFoundError: There is no Parquet file.
            ValueError: A Parquet file has no such column.
        """
        files = [stored.url for stored in storage.list(self.removal_parquets_dir) if stored.url.endswith(".parquet")]
        if not files:
            raise FileNotFoundError(
                f"no Parquet file under {self.removal_parquets_dir}: run the deduplication first, or name the folder "
                "that holds its duplicates"
            )
        ids: set[str] = set()
        for path in files:
            with open_parquet(path) as table:
                names = table.schema_arrow.names
                if self.duplicate_id_field not in names:
                    raise ValueError(f"{path} has no column {self.duplicate_id_field!r}; {nearest('', names)}")
                ids.update(map(str, table.read([self.duplicate_id_field])[0].to_pylist()))
        self._ids = frozenset(ids)

    def process(self, task: ImageBatch) -> ImageBatch:
        """The batch without the listed images, each of which leaves a record."""
        kept = [image for image in task.data if image.image_id not in self._ids]
        records = [
            image.rejected(stage=self.name, detail=f"listed in {self.removal_parquets_dir}")
            for image in task.data
            if image.image_id in self._ids
        ]
        if self.verbose and records:
            logger.info("{} removes {} of {} images", self.name, len(records), len(task.data))
        return task.filtered(kept, records)

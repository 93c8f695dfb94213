"""The last stage of a scoring run: gathers a partition's rows and writes its part."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.parts import part_row, part_schema, write_embeddings, write_part
from nemo_curator.stages.base import PartitionStage
from nemo_curator.stages.declarations import Column, Needs
from nemo_curator.stages.image.embeddings import stack_embeddings
from nemo_curator.tasks import FileGroupTask, ImageBatch, Task


@dataclass
class PartWriterStage(PartitionStage[ImageBatch, FileGroupTask]):
    """Writes one part file a partition, after its embeddings: a part says that all of the partition is there.

    Args:
        run_dir: The run directory.
        columns: The scores that the run records.
        embeddings: Whether images carry embeddings to store.
    """

    run_dir: str
    columns: tuple[Column, ...] = ()
    embeddings: bool = False
    _name: str = "part_writer"
    _rows: list[dict[str, Any]] = field(default_factory=list, init=False, repr=False)
    _vectors: list[tuple[int, str, Any]] = field(default_factory=list, init=False, repr=False)
    _partition: Task[Any] | None = field(default=None, init=False, repr=False)

    def needs(self) -> Needs:
        """No pixels."""
        return Needs(embedding=self.embeddings, returns_images=False)

    def begin(self, partition: Task[Any]) -> None:
        """Forget what was gathered before."""
        self._partition, self._rows, self._vectors = partition, [], []

    def process(self, task: ImageBatch) -> None:
        """Gather a batch's rows; its pixels go."""
        self._rows += map(part_row, task.data)
        self._rows += map(part_row, task.records)
        if self.embeddings and task.data:
            vectors = stack_embeddings(task.data, self.name)
            triples = zip(task.data, vectors, strict=True)
            self._vectors += [(image.source.ordinal, image.image_id, vector) for image, vector in triples]

    def finish(self) -> list[FileGroupTask]:
        """Write the partition's embeddings and then its part.

        Raises:
            StorageError: A file cannot be written.
        """
        if self._partition is None:
            return []
        run, partition_id = RunDirectory(self.run_dir), str(self._partition._metadata["partition_id"])
        if self._vectors:
            ordered = sorted(self._vectors, key=lambda triple: triple[0])
            ids, vectors = [image_id for _, image_id, _ in ordered], [vector for *_, vector in ordered]
            write_embeddings(run, partition_id, ids, vectors)
        write_part(run, partition_id, self._rows, part_schema(self.columns))
        result = FileGroupTask(
            dataset_name=self._partition.dataset_name,
            data=[run.part(partition_id)],
            _metadata={"partition_id": partition_id, "num_records": len(self._rows)},
            task_id=self._partition.task_id,
        )
        self.begin(self._partition)
        return [result]

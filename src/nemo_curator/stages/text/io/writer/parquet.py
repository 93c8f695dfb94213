"""Rows to Parquet files."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

import pyarrow.parquet as pq

from nemo_curator import storage
from nemo_curator.stages.base import ProcessingStage
from nemo_curator.stages.declarations import Needs
from nemo_curator.tasks import DocumentBatch, FileGroupTask


@dataclass
class ParquetWriter(ProcessingStage[DocumentBatch, FileGroupTask]):
    """Writes each table as one Parquet file, atomically, under a name that follows from the task's id.

    Args:
        path: Folder or URL to write into.
        fields: Columns to write; all by default.
        write_kwargs: Options for `pyarrow.parquet.write_table`.
    """

    path: str
    fields: list[str] | None = None
    write_kwargs: dict[str, Any] = field(default_factory=dict)
    _name: str = "parquet_writer"

    def inputs(self) -> tuple[list[str], list[str]]:
        """A table."""
        return ["data"], []

    def outputs(self) -> tuple[list[str], list[str]]:
        """The file written."""
        return ["data"], []

    def needs(self) -> Needs:
        """No pixels."""
        return Needs(returns_images=False)

    def process(self, task: DocumentBatch) -> FileGroupTask:
        """Write one table.

        Raises:
            StorageError: The file cannot be written.
        """
        table = task.to_pyarrow()
        if self.fields is not None:
            table = table.select(self.fields)
        name = hashlib.sha256(f"{task.dataset_name}\0{task.task_id}".encode()).hexdigest()[:12]
        target = storage.join(self.path, f"{name}.parquet")
        with storage.write_atomic(target) as file:
            pq.write_table(table, file, **self.write_kwargs)
        return FileGroupTask(
            dataset_name=task.dataset_name,
            data=[target],
            _metadata={**task._metadata, "format": "parquet", "num_rows": table.num_rows},
            _stage_perf=task._stage_perf,
            task_id=task.task_id,
        )

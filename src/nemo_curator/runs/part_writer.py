"""The last stage of a scoring run: gathers a partition's rows and writes its part."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.compute as pc

from nemo_curator import storage
from nemo_curator.errors import InputError
from nemo_curator.runs.fingerprints import EMBEDDING
from nemo_curator.runs.gathered_rows import GatheredRows
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.merging import Merging, merge
from nemo_curator.runs.parts import (
    part_facts,
    part_fingerprints,
    part_row,
    part_schema,
    read_embeddings,
    read_part,
    write_embeddings,
    write_part_table,
)
from nemo_curator.runs.stored_embeddings import embeddings_fit
from nemo_curator.stages.base import PartitionStage
from nemo_curator.stages.declarations import Column, Needs
from nemo_curator.stages.image.embeddings import stack_embeddings
from nemo_curator.stages.image.io.partition_tasks import NEW
from nemo_curator.tasks import FileGroupTask, ImageBatch, Task

MERGED = "merged"
"""Key in the metadata of the resulting task: False where a partial scoring did not fit the part that is there."""

STAGE_SECONDS = "stage_seconds"
"""Key in the metadata of the resulting task: stage to what its calls took, as far as this worker made them."""

Vectors = list[tuple[int, str, Any]]
Gathered = tuple[list[dict[str, Any]], Vectors]


@dataclass
class PartWriterStage(PartitionStage[ImageBatch, FileGroupTask]):
    """Writes one part file a partition, after its embeddings: a part says that all of the partition is there.

    Args:
        run_dir: The run directory.
        columns: The scores that the recipe asks for.
        embeddings: Whether images carry embeddings to store.
        fingerprints: Column to fingerprint of how it is computed now.
        merging: For a partial scoring what it computes; None where whole parts are written.
        beside_others: Whether other processes may write the same parts: what one has written is not written again.
    """

    run_dir: str
    columns: tuple[Column, ...] = ()
    embeddings: bool = False
    fingerprints: Mapping[str, str] = field(default_factory=dict)
    merging: Merging | None = None
    beside_others: bool = False
    _name: str = "part_writer"
    _rows: GatheredRows | None = field(default=None, init=False, repr=False)
    _vectors: Vectors = field(default_factory=list, init=False, repr=False)
    _partition: Task[Any] | None = field(default=None, init=False, repr=False)
    _new: Gathered = field(default_factory=lambda: ([], []), init=False, repr=False)
    _seconds: dict[str, float] = field(default_factory=dict, init=False, repr=False)

    resumes: ClassVar[bool] = True

    def needs(self) -> Needs:
        """No pixels."""
        return Needs(embedding=self.embeddings, returns_images=False)

    def begin(self, partition: Task[Any]) -> None:
        """Forget what was gathered before."""
        self._partition, self._rows = partition, GatheredRows(part_schema(self.columns))
        self._vectors, self._new, self._seconds = [], ([], []), {}

    def save(self) -> Gathered:
        """Rows and embeddings of the batches since the last call."""
        new, self._new = self._new, ([], [])
        return new

    def restore(self, saved: Gathered) -> None:
        """Rows and embeddings that an earlier worker gathered."""
        if self._rows is not None:
            self._rows.add(saved[0])
        self._vectors += saved[1]

    def process(self, task: ImageBatch) -> None:
        """Gather a batch's rows; its pixels go."""
        if self._rows is None:  # nothing has begun
            return
        for perf in task._stage_perf:
            self._seconds[perf.stage_name] = self._seconds.get(perf.stage_name, 0.0) + perf.process_time
        rows = [*map(part_row, task.data), *map(part_row, task.records)]
        self._rows.add(rows)
        self._new[0].extend(rows)
        if self.embeddings and task.data:
            vectors = stack_embeddings(task.data, self.name)
            triples = zip(task.data, vectors, strict=True)
            found = [(image.source.ordinal, image.image_id, vector) for image, vector in triples]
            self._vectors += found
            self._new[1].extend(found)

    def finish(self) -> list[FileGroupTask]:
        """Write the partition's embeddings and then its part.

        Raises:
            StorageError: A file cannot be written.
        """
        if self._partition is None or self._rows is None:
            return []
        began = time.perf_counter()
        run, partition_id = RunDirectory(self.run_dir), str(self._partition._metadata["partition_id"])
        ordered = sorted(self._vectors, key=lambda triple: triple[0])
        vectors = [(image_id, vector) for _, image_id, vector in ordered]
        if self.beside_others and _is_written(run, partition_id, self.fingerprints):
            merged = True
        elif self.merging is None:
            merged = True
            is_new = bool(self._partition._metadata.get(NEW)) and not storage.is_local(run.root)
            leave = is_new and not self.embeddings
            _write(run, partition_id, self._rows.tables(), vectors, self.fingerprints, is_new=is_new, leave=leave)
        else:
            merged = _write_merged(run, partition_id, self._rows.table(), vectors if self.embeddings else None, self)
        self._seconds[self.name] = time.perf_counter() - began
        facts = {"partition_id": partition_id, "num_records": self._rows.count, MERGED: merged}
        result = FileGroupTask(
            dataset_name=self._partition.dataset_name,
            data=[run.part(partition_id)],
            _metadata={**facts, STAGE_SECONDS: self._seconds},
            task_id=self._partition.task_id,
        )
        self.begin(self._partition)
        return [result]


def _is_written(run: RunDirectory, partition_id: str, fingerprints: Mapping[str, str]) -> bool:
    """Whether another process has written the same meanwhile."""
    there = part_facts(run, partition_id)
    if there is None or not fingerprints.items() <= there.fingerprints.items():
        return False
    return EMBEDDING not in there.fingerprints or embeddings_fit(run, partition_id, there)


def _write(
    run: RunDirectory,
    partition_id: str,
    tables: pa.Table | Iterable[pa.Table],
    vectors: Sequence[tuple[str, Any]],
    fingerprints: Mapping[str, str],
    *,
    is_new: bool = False,
    leave: bool = False,
) -> None:
    """Write what there is of a partition.

    Args:
        run: The run.
        partition_id: The partition.
        tables: Its rows.
        vectors: Image id and embedding.
        fingerprints: Column to fingerprint.
        is_new: Whether the run had nothing of it when the scoring began. What a worker that died since may have left
            is of the same images, or of another number of them, which is seen.
        leave: Whether nobody can have written embeddings of it, so that none need be removed.
    """
    if vectors:
        ids, values = [image_id for image_id, _ in vectors], [vector for _, vector in vectors]
        write_embeddings(run, partition_id, ids, values, fingerprints.get(EMBEDDING, ""), is_new=is_new)
    elif not leave:  # those of an earlier scoring are of images that are no more
        storage.remove(run.embeddings(partition_id))
        storage.remove(run.embedding_matrix(partition_id))
    write_part_table(run, partition_id, tables, fingerprints)


def _write_merged(
    run: RunDirectory,
    partition_id: str,
    new: pa.Table,
    vectors: Sequence[tuple[str, Any]] | None,
    writer: PartWriterStage,
) -> bool:
    """Put new columns into the part that is there; False, and nothing written, where they do not fit."""
    merging, fingerprints = writer.merging, part_fingerprints(run, partition_id)
    if merging is None or fingerprints is None:
        return False
    try:
        old = read_part(run, partition_id)
        vectors = _stored_vectors(run, partition_id) if vectors is None else vectors
    except InputError:  # damaged where nobody had looked yet
        return False
    table = merge(old, new, part_schema(writer.columns), merging)
    if table is None:
        return False
    readable = set(table.filter(pc.is_null(table["error"]))["image_id"].to_pylist())
    kept = [(image_id, vector) for image_id, vector in vectors if image_id in readable]
    marks = {**fingerprints, **writer.fingerprints}
    if len(kept) == len(vectors) and not writer.embeddings:
        write_part_table(run, partition_id, table, marks)  # what stands beside it stays
    else:
        _write(run, partition_id, table, kept, marks)
    return True


def _stored_vectors(run: RunDirectory, partition_id: str) -> list[tuple[str, Any]]:
    table = read_embeddings(run, partition_id)
    if table is None:
        return []
    ids = map(str, table["image_id"].to_pylist())
    return list(zip(ids, table["embedding"].to_numpy(), strict=True))

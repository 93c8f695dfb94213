"""Similar pairs inside clusters."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from nemo_curator import storage
from nemo_curator.kernels.cluster_duplicates import cluster_duplicates
from nemo_curator.kernels.rows import Float32
from nemo_curator.shards.parquet import open_parquet
from nemo_curator.stages.base import ProcessingStage
from nemo_curator.stages.declarations import Needs
from nemo_curator.stages.deduplication.semantic.kmeans import EMBEDDING, NO_DIRECTION
from nemo_curator.stages.deduplication.semantic.ranking import Keep, RankingStrategy, preferred_first
from nemo_curator.tasks import FileGroupTask

DUPLICATES = "num_duplicates"
"""Key of a task's metadata: how many of its members are duplicates."""


@dataclass
class PairwiseStage(ProcessingStage[FileGroupTask, FileGroupTask]):
    """Compares the members of a cluster with one another, and writes a row a member, preferred ones first.

    The columns: `id`; `max_id` and `cosine_sim_score`, the most similar of the members before it, whether that is kept
    or not; `duplicate_of` and `similarity`, the kept member that it duplicates, or null. The first member has nothing
    before it: its `max_id` is its own, and its score 0. One cluster is in memory at a time.

    Args:
        output_path: Folder or URL for `cluster-N.parquet`.
        id_field: Column of the ids.
        which_to_keep: `hard` prefers members far from the centroid, `easy` near ones, `random` any.
        distance_metric: `cosine` or `l2`: the distance that `which_to_keep` means.
        ranking_strategy: Another order of the members.
        eps: A member is a duplicate at a cosine of 1 - eps and more; None finds none.
        pairwise_batch_size: Members that are compared at once with all before them.
        random_state: Seed of `random`.
        write_kwargs: Options of `pyarrow.parquet.ParquetWriter`.
    """

    output_path: str
    id_field: str = "id"
    which_to_keep: Keep = "hard"
    distance_metric: str = "cosine"
    ranking_strategy: RankingStrategy | None = None
    eps: float | None = None
    pairwise_batch_size: int = 1024
    random_state: int = 42
    write_kwargs: dict[str, Any] = field(default_factory=dict)
    _name: str = "semantic_pairwise"

    def inputs(self) -> tuple[list[str], list[str]]:
        """The file of a cluster."""
        return ["data"], []

    def outputs(self) -> tuple[list[str], list[str]]:
        """A file of pairs."""
        return ["data"], []

    def needs(self) -> Needs:
        """No pixels."""
        return Needs(returns_images=False)

    def process(self, task: FileGroupTask) -> FileGroupTask:
        """Compare the members of one cluster.

        Raises:
            StorageError: The file cannot be written.
        """
        if NO_DIRECTION in task._metadata:
            table, name = _alone(_read(task.data)[self.id_field]), "without-direction"
        else:
            table, name = self._compared(task.data, int(task._metadata["centroid"])), f"cluster-{_of(task)}"
        url = storage.join(self.output_path, f"{name}.parquet")
        with storage.write_atomic(url) as file:
            pq.write_table(table, file, **self.write_kwargs)
        duplicates = table.num_rows - table["duplicate_of"].null_count
        metadata = {**task._metadata, "num_rows": table.num_rows, DUPLICATES: duplicates}
        return FileGroupTask(dataset_name=task.dataset_name, data=[url], _metadata=metadata, task_id=task.task_id)

    def _compared(self, files: list[str], cluster: int) -> pa.Table:
        ids, vectors = self._preferred_first(files, cluster)
        least = None if self.eps is None else 1.0 - self.eps
        found = cluster_duplicates(vectors, least, self.pairwise_batch_size)
        first, kept = found.nearest < 0, found.kept < 0
        nearest = np.where(first, np.arange(len(ids)), found.nearest)
        return pa.table(
            {
                "id": ids,
                "max_id": ids.take(nearest),
                "cosine_sim_score": pa.array(np.where(first, 0.0, found.cosines)),
                "duplicate_of": pc.if_else(
                    pa.array(kept), pa.scalar(None, ids.type), ids.take(np.maximum(found.kept, 0))
                ),
                "similarity": pa.array(found.similarity, mask=kept),
            }
        )

    def _preferred_first(self, files: list[str], cluster: int) -> tuple[pa.Array[Any], Float32]:
        """Ids and embeddings in order; the table that they came in is let go, which is larger than both."""
        members = _read(files)
        seed = [self.random_state, cluster]
        order = preferred_first(
            members, self.id_field, self.which_to_keep, self.distance_metric, self.ranking_strategy, seed
        )
        ids = members[self.id_field].combine_chunks().take(order)
        vectors = np.empty((len(order), members.schema.field(EMBEDDING).type.list_size), np.float32)
        places, start = np.argsort(order), 0  # where each row goes
        for chunk in cast("list[pa.FixedSizeListArray[Any, Any]]", members[EMBEDDING].chunks):
            vectors[places[start : start + len(chunk)]] = chunk.flatten().to_numpy().reshape(len(chunk), -1)
            start += len(chunk)
        return ids, vectors


def _read(files: list[str]) -> pa.Table:
    tables = []
    for url in files:
        with open_parquet(url) as parquet:
            tables.append(parquet.read())
    return pa.concat_tables(tables)


def _alone(ids: pa.ChunkedArray[Any]) -> pa.Table:
    """Rows that are like nothing, because their embedding has no direction."""
    nothing = pa.nulls(len(ids), ids.type)
    scores = pa.nulls(len(ids), pa.float64())
    columns = {"id": ids, "max_id": nothing, "cosine_sim_score": scores, "duplicate_of": nothing, "similarity": scores}
    return pa.table(columns)


def _of(task: FileGroupTask) -> str:
    return f"{int(task._metadata['centroid']):06d}"

"""Embeddings into clusters."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import IO, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from loguru import logger

from nemo_curator import storage
from nemo_curator.errors import InputError
from nemo_curator.kernels.kmeans import Clustering, Settings, kmeans
from nemo_curator.kernels.rows import ArrayRows, Float32
from nemo_curator.stages.base import ProcessingStage
from nemo_curator.stages.declarations import Needs
from nemo_curator.stages.deduplication.semantic.embedding_tables import EmbeddingTables
from nemo_curator.stages.deduplication.semantic.ranking import COSINE_DISTANCE, L2_DISTANCE
from nemo_curator.tasks import FileGroupTask

EMBEDDING = "embedding"
"""Column of the embeddings in what is written: at unit length, single precision, whatever they were called before."""

NO_DIRECTION = "without_direction"
"""Key of a task's metadata: how many of its rows have no direction, and so stand in no cluster."""

_PAUSE = 10.0  # seconds between two lines of the log


@dataclass
class KMeansStage(ProcessingStage[FileGroupTask, FileGroupTask]):
    """Puts the embeddings of a group of Parquet files into clusters, and writes a folder a cluster.

    Embeddings are scaled to unit length. They lie in a temporary file while centroids are looked for; ids and metadata
    are in memory.

    Args:
        output_path: Folder or URL for `centroid=N/part.parquet`.
        n_clusters: Number of clusters.
        id_field: Column of the ids.
        embedding_field: Column of the embeddings.
        embedding_dim: Numbers that each must have; None takes the number of the first.
        metadata_fields: Columns that travel along.
        settings: How clusters are looked for.
        write_kwargs: Options of `pyarrow.parquet.ParquetWriter`.
        verbose: Log what is done.
    """

    output_path: str
    n_clusters: int
    id_field: str = "id"
    embedding_field: str = "embeddings"
    embedding_dim: int | None = None
    metadata_fields: list[str] = field(default_factory=list)
    settings: Settings = field(default_factory=Settings)
    write_kwargs: dict[str, Any] = field(default_factory=dict)
    verbose: bool = False
    _name: str = "semantic_kmeans"

    def inputs(self) -> tuple[list[str], list[str]]:
        """Files."""
        return ["data"], []

    def outputs(self) -> tuple[list[str], list[str]]:
        """A file a cluster."""
        return ["data"], []

    def needs(self) -> Needs:
        """No pixels."""
        return Needs(returns_images=False)

    def process(self, task: FileGroupTask) -> list[FileGroupTask]:
        """Find clusters among all rows of the files.

        Returns:
            A task for each cluster that has members, in order; then, where there are some, one for the rows without a
            direction.

        Raises:
            InputError: A file cannot be read, embeddings differ in length, or there are fewer than clusters.
            StorageError: A file cannot be written, or the temporary one.
        """
        tables = EmbeddingTables(task.data, self.id_field, self.embedding_field, self.metadata_fields)
        with _scratch() as scratch:
            known, directed, dimension = _spilled(tables, self.embedding_dim, scratch)
            places = np.flatnonzero(directed)
            if len(places) < self.n_clusters:
                raise InputError(
                    f"{len(places):,} embeddings with a direction do not make {self.n_clusters:,} clusters",
                    where=task.data[0],
                    act="ask for fewer clusters with n_clusters",
                )
            matrix = np.memmap(scratch, np.float32, "r", shape=(len(places), dimension))
            found = kmeans(ArrayRows([matrix]), self.n_clusters, self.settings, self._teller())
            done = [*self._written(task, matrix, known.take(places), found)]
        if len(places) < len(directed):
            done.append(self._put_aside(task, known.take(np.flatnonzero(~directed))))
        return done

    def _teller(self) -> Callable[[str], None]:
        """Logs what is done, at most once in some seconds."""
        told = -_PAUSE

        def tell(what: str) -> None:
            nonlocal told
            now = time.monotonic()
            if self.verbose and now - told >= _PAUSE:
                told = now
                logger.info("{}", what)

        return tell

    def _written(
        self, task: FileGroupTask, matrix: Float32, known: pa.Table, found: Clustering
    ) -> Iterator[FileGroupTask]:
        with storage.write_atomic(storage.join(self.output_path, "_centroids.npy")) as file:
            np.lib.format.write_array(file, found.centroids, (1, 0), allow_pickle=False)
        order = np.argsort(found.labels, kind="stable")
        starts = np.concatenate([[0], np.cumsum(found.sizes)])
        for cluster in np.flatnonzero(found.sizes).tolist():
            rows = order[starts[cluster] : starts[cluster + 1]]
            vectors = matrix[rows]
            table = _with_distances(known.take(rows), vectors, found.centroids[cluster])
            url = storage.join(self.output_path, f"centroid={cluster}", "part.parquet")
            with storage.write_atomic(url) as file:
                pq.write_table(table, file, **self.write_kwargs)
            yield _task(task, url, {"centroid": cluster, "num_rows": table.num_rows})

    def _put_aside(self, task: FileGroupTask, known: pa.Table) -> FileGroupTask:
        url = storage.join(self.output_path, "_without_direction.parquet")
        with storage.write_atomic(url) as file:
            pq.write_table(known, file, **self.write_kwargs)
        logger.warning(
            "{:,} embeddings are missing, all zeros or not finite: they stand in no cluster and are listed in {}",
            known.num_rows,
            url,
        )
        return _task(task, url, {NO_DIRECTION: known.num_rows})


@contextmanager
def _explained() -> Iterator[None]:
    """What the disk of temporary files says is told as of any other."""
    try:
        yield
    except OSError as error:
        raise storage.storage_error(tempfile.gettempdir(), error) from error


@contextmanager
def _scratch() -> Iterator[IO[bytes]]:
    """A file without a name: it goes with its process, however that ends."""
    with _explained():
        file = tempfile.TemporaryFile()  # noqa: SIM115 (closed below; what is done with it explains itself)
    try:
        yield file
    finally:
        with suppress(OSError):  # what could not be written is dropped
            file.close()


def _spilled(
    tables: EmbeddingTables, dimension: int | None, scratch: IO[bytes]
) -> tuple[pa.Table, npt.NDArray[np.bool_], int]:
    """Write the rows that have a direction into a file; gives ids and metadata of all, and which those are."""
    known: list[pa.Table] = []
    directed: list[npt.NDArray[np.bool_]] = []
    width = 0
    for table, vectors, good in tables.blocks(dimension):
        known.append(table)
        directed.append(good)
        width = max(width, vectors.shape[1])  # 0 in blocks before the first embedding
        with _explained():
            scratch.write(np.ascontiguousarray(vectors[good]).data)
    with _explained():
        scratch.flush()
    if not known:
        raise InputError("there is no row in it", where=tables.files[0], act="embed some images first")
    return pa.concat_tables(known, promote_options="default").combine_chunks(), np.concatenate(directed), width


def _with_distances(known: pa.Table, vectors: Float32, centroid: Float32) -> pa.Table:
    """Members with their embedding and both distances to the centroid, each row computed by itself."""
    wide, centre = vectors.astype(np.float64), centroid.astype(np.float64)
    away = wide - centre
    distances = np.sqrt((away * away).sum(axis=1))
    length = np.sqrt((centre * centre).sum())
    cosines = (wide * centre).sum(axis=1) / np.sqrt((wide * wide).sum(axis=1)) / (length if length > 0 else 1.0)
    embedding = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), vectors.shape[1])
    columns = {EMBEDDING: embedding, L2_DISTANCE: pa.array(distances), COSINE_DISTANCE: pa.array(1.0 - cosines)}
    for name, column in columns.items():
        known = known.append_column(name, column)
    return known


def _task(task: FileGroupTask, url: str, metadata: dict[str, Any]) -> FileGroupTask:
    return FileGroupTask(dataset_name=task.dataset_name, data=[url], _metadata={**task._metadata, **metadata})

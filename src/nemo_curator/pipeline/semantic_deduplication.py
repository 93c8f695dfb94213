"""The workflow that finds images which show nearly the same: k-means, pairs inside each cluster, ids to remove.

It is imported as `nemo_curator.stages.deduplication.semantic.SemanticDeduplicationWorkflow`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pyarrow.parquet as pq
from loguru import logger

from nemo_curator import storage
from nemo_curator.backends.base import BaseExecutor
from nemo_curator.backends.local import LocalExecutor
from nemo_curator.cores import usable_cores
from nemo_curator.errors import EmptyInputError, InputError, MissingInputError
from nemo_curator.kernels.kmeans import Settings
from nemo_curator.kernels.kmeans_seeds import Init
from nemo_curator.kernels.rows import Float32
from nemo_curator.pipeline.semantic_places import Places
from nemo_curator.pipeline.semantic_settings import check_settings, writer_options
from nemo_curator.pipeline.workflow import WorkflowRunResult
from nemo_curator.shards.parquet import open_parquet
from nemo_curator.stages.deduplication.semantic.embedding_tables import EmbeddingTables
from nemo_curator.stages.deduplication.semantic.kmeans import NO_DIRECTION, KMeansStage
from nemo_curator.stages.deduplication.semantic.pairwise import DUPLICATES, PairwiseStage
from nemo_curator.stages.deduplication.semantic.ranking import Keep, RankingStrategy
from nemo_curator.tasks import FileGroupTask, Task

NAME = "semantic_deduplication"


@dataclass
class SemanticDeduplicationWorkflow:
    """Finds images whose embeddings point nearly the same way, and names those to remove.

    Embeddings are put into clusters by k-means; inside each cluster every member is compared with every other. Members
    are taken in an order of preference, and one is a duplicate only of a member that is kept. The same input and
    parameters give the same result, whatever the executors and however many workers they have.

    Args:
        input_path: A Parquet file, a folder or URL of such, or a list; one row an image.
        output_path: Folder or URL. `pairwise_results/` and, with `eps`, `duplicates/` are written below it.
        n_clusters: Number of clusters, at most the number of images.
        cache_path: Folder or URL for `kmeans_results/`; the output path by default.
        id_field: Column of the ids, which are unique.
        embedding_field: Column of the embeddings: lists of floating-point numbers, all of one length.
        embedding_dim: That length, to be checked; None takes what comes.
        metadata_fields: Further columns, for `ranking_strategy` and for the cache.
        input_filetype: Always `parquet`.
        input_file_extensions: Which files of a folder are read; `.parquet` by default.
        init: How k-means begins: `k-means||`, `k-means++`, `random`, or centroids `(n_clusters, D)`.
        n_init: How often it begins; the best is taken.
        max_iter: Iterations at most.
        tol: It ends when centroids move by less than this share of the mean variance.
        random_state: Seed of everything random.
        fit_data_fraction: Share of the images that centroids are found from; None for all.
        distance_metric: `cosine` or `l2`: which distance to the centroid `which_to_keep` means.
        which_to_keep: Of similar members: `hard` prefers the one farthest from the centroid, `easy` the nearest,
            `random` any.
        ranking_strategy: Another order of preference, by columns; it takes the place of `which_to_keep`.
        pairwise_batch_size: Members that are compared at once with all before them.
        eps: A member is a duplicate at a cosine of 1 - eps and more to a kept one; None names no duplicates.
        read_kwargs: Accepted for compatibility; options of a storage come from its own environment variables.
        cache_kwargs: Options of `pyarrow.parquet.ParquetWriter` for the cache; `storage_options` is accepted too.
        write_kwargs: The same for what is written below the output path.
        clear_output: Whether to remove what an earlier run wrote into those three folders; no other file is ever
            removed. Otherwise results that are there end the run.
        verbose: Log what is done.

    Raises:
        ValueError: A parameter is none of those that it may be.
    """

    input_path: str | Sequence[str]
    output_path: str
    n_clusters: int
    cache_path: str | None = None
    id_field: str = "id"
    embedding_field: str = "embeddings"
    embedding_dim: int | None = None
    metadata_fields: list[str] | None = None
    input_filetype: Literal["parquet"] = "parquet"
    input_file_extensions: list[str] | None = None
    init: Init | Float32 = "k-means||"
    n_init: int = 1
    max_iter: int = 300
    tol: float = 1e-4
    random_state: int = 42
    fit_data_fraction: float | None = None
    distance_metric: Literal["cosine", "l2"] = "cosine"
    which_to_keep: Keep = "hard"
    ranking_strategy: RankingStrategy | None = None
    pairwise_batch_size: int = 1024
    eps: float | None = None
    read_kwargs: dict[str, Any] = field(default_factory=dict)
    cache_kwargs: dict[str, Any] = field(default_factory=dict)
    write_kwargs: dict[str, Any] = field(default_factory=dict)
    clear_output: bool = True
    verbose: bool = True

    def __post_init__(self) -> None:
        """Refuse what cannot be run, before anything is."""
        self.output_path = os.fspath(self.output_path)
        self.cache_path = self.output_path if self.cache_path is None else os.fspath(self.cache_path)
        self.metadata_fields = list(self.metadata_fields or [])
        check_settings(self)

    def run(
        self, kmeans_executor: BaseExecutor | None = None, pairwise_executor: BaseExecutor | None = None
    ) -> WorkflowRunResult:
        """Find duplicates.

        Args:
            kmeans_executor: Where clusters are found: anything with `execute(stages, initial_tasks)`; a `LocalExecutor`
                by default.
            pairwise_executor: The same for the pairs.

        Returns:
            The tasks of both pipelines (`kmeans`: a file a cluster; `pairwise`: a file of pairs a cluster), and as
            metadata `total_time`, `kmeans_time`, `pairwise_time` and `identify_duplicates_time` in seconds, `num_rows`,
            `num_clusters`, `num_without_direction` and, with `eps`, `num_duplicates` and `duplicates_path`.

        Raises:
            InputError: The input is missing, empty or not as described, has ids that repeat, or fewer rows than
                clusters.
            OutputError: A folder of results holds something else, or results and `clear_output` is off; another process
                is at work there; or something cannot be written.
        """
        began = time.perf_counter()
        places = Places(self.output_path, self.cache_path or self.output_path)
        files = self._files(places)
        ranking = self.ranking_strategy.metadata_cols if self.ranking_strategy else []
        tables = EmbeddingTables(files, self.id_field, self.embedding_field, self.metadata_fields or [], ranking)
        rows = tables.check()
        if rows < self.n_clusters:
            raise InputError(
                f"{rows:,} rows do not make {self.n_clusters:,} clusters",
                where=files[0] if len(files) == 1 else f"{len(files):,} files",
                act="ask for fewer clusters with n_clusters",
            )
        self._check_width(tables)
        tables.check_ids()
        result = WorkflowRunResult(NAME)
        with ExitStack() as held:
            for root in places.roots():
                held.enter_context(storage.locked(root))
            places.prepare(clear=self.clear_output)
            self._run(result, places, files, kmeans_executor, pairwise_executor)
        result.extend_metadata({"num_rows": rows, "total_time": time.perf_counter() - began})
        return result

    def _check_width(self, tables: EmbeddingTables) -> None:
        """Tell other lengths of embeddings than those given before an earlier result is removed."""
        width = tables.width(self.embedding_dim)
        wanted = width if width is None or isinstance(self.init, str) else np.shape(self.init)[1]
        if width != wanted:
            raise InputError(
                f"embeddings have {width} numbers, and the centroids given as init {wanted}",
                where=tables.files[0],
                act="give centroids of these embeddings, or the name of a way to begin",
            )

    def _run(
        self,
        result: WorkflowRunResult,
        places: Places,
        files: list[str],
        kmeans_executor: BaseExecutor | None,
        pairwise_executor: BaseExecutor | None,
    ) -> None:
        began = time.perf_counter()
        whole = FileGroupTask(dataset_name=NAME, data=files, task_id="embeddings")
        clusters = _executed(kmeans_executor, self._kmeans(places), [whole])
        result.add_pipeline_tasks("kmeans", clusters)
        aside = sum(task._metadata.get(NO_DIRECTION, 0) for task in clusters)
        found = sum(NO_DIRECTION not in task._metadata for task in clusters)
        clustered = time.perf_counter()
        self._told("{:,} clusters have members, after {:.1f} s", found, clustered - began)
        pairs = _executed(pairwise_executor, self._pairwise(places), clusters)
        result.add_pipeline_tasks("pairwise", pairs)
        compared = time.perf_counter()
        result.extend_metadata(
            {
                "kmeans_time": clustered - began,
                "pairwise_time": compared - clustered,
                "num_clusters": found,
                "num_without_direction": aside,
            }
        )
        if self.eps is None:
            return
        _write_duplicates(places.duplicates_file, [task.data[0] for task in pairs], writer_options(self.write_kwargs))
        number = sum(task._metadata[DUPLICATES] for task in pairs)
        self._told("{:,} duplicates are listed in {}", number, places.duplicates)
        result.extend_metadata(
            {
                "num_duplicates": number,
                "duplicates_path": places.duplicates,
                "identify_duplicates_time": time.perf_counter() - compared,
            }
        )

    def _kmeans(self, places: Places) -> KMeansStage:
        init = self.init if isinstance(self.init, str) else np.asarray(self.init, np.float32)
        settings = Settings(
            init=init,
            n_init=self.n_init,
            max_iter=self.max_iter,
            tol=self.tol,
            seed=self.random_state,
            fit_data_fraction=self.fit_data_fraction,
            threads=usable_cores(),
        )
        return KMeansStage(
            output_path=places.clusters,
            n_clusters=self.n_clusters,
            id_field=self.id_field,
            embedding_field=self.embedding_field,
            embedding_dim=self.embedding_dim,
            metadata_fields=list(self.metadata_fields or []),
            settings=settings,
            write_kwargs=writer_options(self.cache_kwargs),
            verbose=self.verbose,
        )

    def _pairwise(self, places: Places) -> PairwiseStage:
        return PairwiseStage(
            output_path=places.pairs,
            id_field=self.id_field,
            which_to_keep=self.which_to_keep,
            distance_metric=self.distance_metric,
            ranking_strategy=self.ranking_strategy,
            eps=self.eps,
            pairwise_batch_size=self.pairwise_batch_size,
            random_state=self.random_state,
            write_kwargs=writer_options(self.write_kwargs),
        )

    def _told(self, words: str, *facts: Any) -> None:
        if self.verbose:
            logger.info(words, *facts)

    def _files(self, places: Places) -> list[str]:
        given = [self.input_path] if isinstance(self.input_path, str | os.PathLike) else self.input_path
        extensions = tuple(f".{one.lstrip('.').lower()}" for one in self.input_file_extensions or ["parquet"])
        files: list[str] = []
        for path in map(os.fspath, given):
            try:
                found = storage.list(path)
            except OSError as error:
                raise MissingInputError(
                    f"it cannot be listed: {error.strerror or error}", where=path, act="check input_path"
                ) from None
            files += [one.url for one in found if one.kind == "file" and one.url.lower().endswith(extensions)]
        places.refuse_as_input(files)
        if not files:
            raise EmptyInputError(
                f"there is no file that ends in {' or '.join(extensions)}",
                where=", ".join(map(os.fspath, given)),
                act="write embeddings there first, or name their ending as input_file_extensions",
            )
        return files


def _executed(executor: Any, stage: Any, tasks: Sequence[Task[Any]]) -> list[Any]:
    """What a stage gives, by cluster: an executor may give tasks in the order in which they were done."""
    return sorted((executor or LocalExecutor()).execute([stage], list(tasks)), key=_by_cluster)


def _by_cluster(task: Task[Any]) -> tuple[bool, int]:
    """Clusters by number, then the rows that stand in none."""
    return NO_DIRECTION in task._metadata, int(task._metadata.get("centroid", 0))


def _write_duplicates(url: str, files: Sequence[str], options: Mapping[str, Any]) -> None:
    """One file of all duplicates, which is there whole or not at all: who reads the folder never sees a part."""
    with storage.write_atomic(url) as file, ExitStack() as opened:
        writer: pq.ParquetWriter | None = None
        for path in files:
            with open_parquet(path) as parquet:
                table = parquet.read(columns=["id", "duplicate_of", "similarity"])
            if writer is None:
                writer = opened.enter_context(pq.ParquetWriter(file, table.schema, **options))
            duplicates = table.filter(table["duplicate_of"].is_valid())
            if duplicates.num_rows:
                writer.write_table(duplicates)

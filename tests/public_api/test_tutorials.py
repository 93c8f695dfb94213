"""The two published flows run unchanged but for paths, on both executor names, with a small model for CLIP."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import save_file
from tests.public_api.fakes import EmbedAnything, make_shards, members

from nemo_curator.backends.local import LocalExecutor
from nemo_curator.backends.xenna import XennaExecutor
from nemo_curator.core.client import RayClient
from nemo_curator.pipeline import Pipeline
from nemo_curator.stages.deduplication.semantic import SemanticDeduplicationWorkflow
from nemo_curator.stages.file_partitioning import FilePartitioningStage
from nemo_curator.stages.image.deduplication.removal import ImageDuplicatesRemovalStage
from nemo_curator.stages.image.embedders.clip_embedder import ImageEmbeddingStage
from nemo_curator.stages.image.filters.aesthetic_filter import ImageAestheticFilterStage
from nemo_curator.stages.image.filters.nsfw_filter import ImageNSFWFilterStage
from nemo_curator.stages.image.io.convert import ConvertImageBatchToDocumentBatchStage
from nemo_curator.stages.image.io.image_reader import ImageReaderStage
from nemo_curator.stages.image.io.image_writer import ImageWriterStage
from nemo_curator.stages.text.io.writer.parquet import ParquetWriter

SHARDS, EACH = 3, 4
INPUTS = [f"{shard:05d}/k{number:03d}" for shard in range(SHARDS) for number in range(EACH)]


class SmallClipStage(ImageEmbeddingStage):
    """The embedder with a small model in its `self.model`; here, because workers must be able to import it."""

    name = "image_embedding"

    def setup_on_node(self, _node_info: Any = None, _worker_metadata: Any = None) -> None:
        """Nothing to fetch."""

    def setup(self, _worker_metadata: Any = None) -> None:
        """The small model."""
        self.model = EmbedAnything(self.model_dir)
        self.model.setup()


@pytest.fixture(params=["local", pytest.param("xenna", marks=pytest.mark.soak)])
def executor(request: pytest.FixtureRequest) -> LocalExecutor:
    """Each name, in worker processes."""
    if request.param == "local":
        return LocalExecutor({"num_workers": 2})
    with pytest.warns(UserWarning, match="XennaExecutor"):
        return XennaExecutor({"num_workers": 1})


@pytest.fixture
def client() -> Iterator[RayClient]:
    """The client that the tutorials start and stop."""
    client = RayClient()
    client.start()
    yield client
    client.stop()


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Three shards of four samples, with the same keys in each."""
    make_shards(tmp_path / "raw", SHARDS, EACH)
    return tmp_path / "raw"


def written(folder: Path) -> tuple[list[dict[str, Any]], dict[str, bytes]]:
    """All rows, in order of id, and all members under `<id's shard>/<name>`."""
    rows: list[dict[str, Any]] = []
    found: dict[str, bytes] = {}
    for path in sorted(folder.glob("*.parquet")):
        ours = pq.read_table(path).to_pylist()
        rows += ours
        shard = ours[0]["image_id"].partition("/")[0]
        with tarfile.open(path.with_suffix(".tar")) as tar:
            found |= {f"{shard}/{member.name}": tar.extractfile(member).read() for member in tar}
    return sorted(rows, key=lambda row: row["image_id"]), found


def expected_members(kept: list[str]) -> dict[str, bytes]:
    """What went in for those ids."""
    samples = members(EACH)
    return {
        f"{image_id.partition('/')[0]}/{name}": data
        for image_id in kept
        for name, data in samples
        if name.startswith(image_id.rpartition("/")[2])
    }


def curation(raw: Path, out: Path, model_dir: str, aesthetic: float, nsfw: float) -> Pipeline:
    """The first tutorial."""
    pipeline = Pipeline(name="image_curation", description="Curate images with embeddings and quality scoring")
    pipeline.add_stage(FilePartitioningStage(file_paths=str(raw), files_per_partition=1, file_extensions=[".tar"]))
    pipeline.add_stage(ImageReaderStage(dali_batch_size=100, verbose=True, num_threads=16, num_gpus_per_worker=0.25))
    pipeline.add_stage(
        SmallClipStage(model_dir=model_dir, num_gpus_per_worker=0.25, model_inference_batch_size=32, verbose=True)
    )
    pipeline.add_stage(
        ImageAestheticFilterStage(
            model_dir=model_dir,
            num_gpus_per_worker=0.25,
            model_inference_batch_size=32,
            score_threshold=aesthetic,
            verbose=True,
        )
    )
    pipeline.add_stage(
        ImageNSFWFilterStage(
            model_dir=model_dir,
            num_gpus_per_worker=0.25,
            model_inference_batch_size=32,
            score_threshold=nsfw,
            verbose=True,
        )
    )
    pipeline.add_stage(ImageWriterStage(output_dir=str(out), images_per_tar=100, remove_image_data=True, verbose=True))
    return pipeline


def test_curation_tutorial(tmp_path, dataset, executor, client, shared_models):
    """Partition, read, embed, aesthetic, NSFW, write: by the real heads, every input accounted for."""
    everything = curation(dataset, tmp_path / "all", str(shared_models), -100.0, 1.1)
    assert "image_embedding" in everything.describe()
    everything.run(LocalExecutor({"num_workers": 0}))
    rows, found = written(tmp_path / "all")
    assert [row["image_id"] for row in rows] == INPUTS
    assert found == expected_members(INPUTS)
    assert everything.records == []
    # cut at a score that was seen: it stays, being the threshold
    threshold = sorted(row["aesthetic_score"] for row in rows)[len(rows) // 2]
    pipeline = curation(dataset, tmp_path / "some", str(shared_models), threshold, 1.1)
    results = pipeline.run(executor)
    kept = [row["image_id"] for row in rows if row["aesthetic_score"] >= threshold]
    some, found = written(tmp_path / "some")
    assert 0 < len(kept) < len(INPUTS)
    assert [row["image_id"] for row in some] == kept
    assert found == expected_members(kept)
    assert sorted([*kept, *(record.image_id for record in pipeline.records)]) == INPUTS
    assert {record.rule for record in pipeline.records} == {"image_aesthetic_filter"}
    assert sum(task._metadata["num_images"] for task in results) == len(kept)
    assert [perf.stage_name for perf in results[0]._stage_perf] == [
        "file_partitioning",
        "image_reader",
        "image_embedding",
        "image_aesthetic_filter",
        "image_nsfw_filter",
        "image_writer",
    ]


def test_curation_tutorial_with_heads_of_our_own(tmp_path, dataset, executor, client):
    """The same without the real data: a head that is written here, in the documented layout."""
    folder = tmp_path / "models" / "ttj" / "sac-logos-ava1-l14-linearMSE"
    folder.mkdir(parents=True)
    random = np.random.default_rng(1)
    widths = [768, 1024, 128, 64, 16, 1]
    tensors = {}
    for layer, (width, narrower) in zip([0, 2, 4, 6, 7], pairwise(widths), strict=True):
        tensors[f"layers.{layer}.weight"] = random.normal(size=(narrower, width)).astype(np.float32) / width**0.5
        tensors[f"layers.{layer}.bias"] = np.zeros(narrower, np.float32)
    save_file(tensors, folder / "model.safetensors")

    def run(threshold: float, out: Path, where: LocalExecutor) -> tuple[Pipeline, list[dict[str, Any]]]:
        aesthetic = ImageAestheticFilterStage(model_dir=str(tmp_path / "models"), score_threshold=threshold)
        stages = [FilePartitioningStage(str(dataset)), ImageReaderStage(), SmallClipStage(), aesthetic]
        pipeline = Pipeline("p", stages=[*stages, ImageWriterStage(str(out))])
        pipeline.run(where)
        return pipeline, written(out)[0]

    _, everything = run(-100.0, tmp_path / "all", LocalExecutor({"num_workers": 0}))
    assert [row["image_id"] for row in everything] == INPUTS
    threshold = sorted(row["aesthetic_score"] for row in everything)[len(INPUTS) // 2]
    pipeline, rows = run(threshold, tmp_path / "some", executor)
    kept = [row["image_id"] for row in rows]
    assert 0 < len(kept) < len(INPUTS)
    assert kept == [row["image_id"] for row in everything if row["aesthetic_score"] >= threshold]
    assert all(record.score < threshold for record in pipeline.records)
    assert sorted([*kept, *(record.image_id for record in pipeline.records)]) == INPUTS
    assert written(tmp_path / "some")[1] == expected_members(kept)


def test_deduplication_tutorial(tmp_path, dataset, executor, client):
    """Embed to Parquet, have duplicates named, re-read, remove, write."""
    pipeline = Pipeline(name="image_embedding", description="Write embeddings for semantic deduplication")
    pipeline.add_stage(FilePartitioningStage(file_paths=str(dataset), files_per_partition=1, file_extensions=[".tar"]))
    pipeline.add_stage(ImageReaderStage(dali_batch_size=3, verbose=True, num_threads=16, num_gpus_per_worker=0.25))
    pipeline.add_stage(SmallClipStage(model_dir=None, model_inference_batch_size=32, remove_image_data=True))
    pipeline.add_stage(ConvertImageBatchToDocumentBatchStage(fields=["image_id", "embedding"]))
    pipeline.add_stage(ParquetWriter(path=str(tmp_path / "embeddings")))
    pipeline.run(executor)
    table = pq.read_table(tmp_path / "embeddings")
    ids = table["image_id"].to_pylist()
    assert sorted(ids) == INPUTS
    workflow = SemanticDeduplicationWorkflow(
        input_path=str(tmp_path / "embeddings"),
        output_path=str(tmp_path / "removal"),
        id_field="image_id",
        embedding_field="embedding",
        n_clusters=2,
        eps=0.0001,
        read_kwargs={"storage_options": {}},
        write_kwargs={"storage_options": {}},
        verbose=True,
    )
    result = workflow.run(kmeans_executor=executor, pairwise_executor=executor)
    duplicates = INPUTS[EACH:]  # every shard holds the same photos
    assert result.metadata["num_duplicates"] == len(duplicates)
    found = pq.read_table(tmp_path / "removal" / "duplicates").to_pylist()
    assert sorted(row["id"] for row in found) == duplicates
    assert all(row["duplicate_of"] == f"{INPUTS[0][:5]}/{row['id'][6:]}" for row in found)
    pipeline = Pipeline(name="image_deduplication", description="Remove the duplicates")
    pipeline.add_stage(FilePartitioningStage(file_paths=str(dataset), files_per_partition=1, file_extensions=[".tar"]))
    pipeline.add_stage(ImageReaderStage(dali_batch_size=100, verbose=True, num_threads=16, num_gpus_per_worker=0.25))
    pipeline.add_stage(
        ImageDuplicatesRemovalStage(
            removal_parquets_dir=str(tmp_path / "removal" / "duplicates"), duplicate_id_field="id", verbose=True
        )
    )
    pipeline.add_stage(ImageWriterStage(output_dir=str(tmp_path / "out"), remove_image_data=True, verbose=True))
    pipeline.run(executor)
    rows, found = written(tmp_path / "out")
    assert [row["image_id"] for row in rows] == INPUTS[:EACH]
    assert found == expected_members(INPUTS[:EACH])
    assert sorted(record.image_id for record in pipeline.records) == duplicates

"""The default recipe, with its models: on real photos, within its memory, the same for any number of workers."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from benchmarks.support.memory import peak_memory
from tests.main_job.material import curated, delivered_rows, hashes, sample

from nemo_curator.testing import make_tar

MEMORY = 1_500_000_000
"""Bytes that a default run may take, all processes together."""


@pytest.fixture(scope="module")
def tars(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four shards of six pictures."""
    folder = tmp_path_factory.mktemp("tars")
    for shard in range(4):
        members = [
            one for number in range(6) for one in sample(f"{number}", 10 * shard + number, width=320, height=260)
        ]
        make_tar(folder / f"{shard}.tar", members)
    return folder


@pytest.fixture(scope="module")
def output(tars, tmp_path_factory):
    """Those, curated by the default recipe in this process."""
    place = tmp_path_factory.mktemp("default") / "out"
    curated(tars, place, "", workers=0)
    return place


def test_models_give_the_same_bytes_for_any_number_of_workers(tars, output, tmp_path):
    """Scores and embeddings of the models, and all that follows from them, do not depend on the workers."""
    curated(tars, tmp_path / "out", "", workers=4)
    assert hashes(tmp_path / "out") == hashes(output)
    assert sum(name.startswith("run/embeddings/") for name in hashes(output)) == 4


def test_embeddings_are_unit_vectors_in_the_order_of_their_part(output):
    """Each partition's embeddings have the ids of its readable records, in order, and unit length in half precision."""
    for path in sorted((output / "run" / "embeddings").iterdir()):
        table, part = pq.read_table(path), pq.read_table(output / "run" / "parts" / path.name)
        assert table["image_id"].to_pylist() == part["image_id"].to_pylist()
        assert table.schema.field("embedding").type.list_size == 1280
        matrix = np.stack(table["embedding"].to_numpy())
        assert matrix.dtype == np.float16
        np.testing.assert_allclose(np.linalg.norm(matrix.astype(np.float64), axis=1), 1.0, atol=2e-3)


def test_delivered_rows_carry_every_score_and_the_embedding(output):
    """The Parquet beside a tar has the columns of all scores, and the embedding that the run stored."""
    rows = delivered_rows(output)
    stored = {}
    for path in (output / "run" / "embeddings").iterdir():
        table = pq.read_table(path)
        stored |= dict(zip(table["image_id"].to_pylist(), table["embedding"].to_pylist(), strict=True))
    for row in rows:
        assert row["embedding"] == stored[row["image_id"]]
        for column in ("min_side", "aspect", "sharpness", "entropy", "nsfw_score", "width", "sha256"):
            assert row[column] is not None


@pytest.mark.soak
def test_memory_on_real_photos(photos, tmp_path):
    """The default run over two real shards, hence with two workers, stays below 1.5 GB, all processes together."""
    shards = [photos / "00000.tar", photos / "00001.tar"]
    code, by_process = peak_memory(
        [sys.executable, "-m", "nemo_curator.cli", "run", *map(str, shards), str(tmp_path / "out"), "--json"]
    )
    assert code == 0
    assert len(by_process) >= 2
    assert sum(by_process) < MEMORY, by_process
    assert json.loads((tmp_path / "out" / "manifest.json").read_text())["funnel"]["inputs"] == 250

"""What others' own programs make of our files: webdataset, DuckDB, pandas."""

from __future__ import annotations

import json
import subprocess
import sys

import duckdb
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from tests.main_job.material import curated, decisions, delivered_rows, sample

from nemo_curator.testing import make_tar

RECIPE = "scores: [header, entropy, embedding]\nrules: {small: 'least(width, height) < 64'}\nexport: {shard_size: 5}\n"


@pytest.fixture(scope="module")
def output(tmp_path_factory):
    """Eight samples in two shards, with scores and embeddings."""
    folder = tmp_path_factory.mktemp("clients")
    members = [one for number in range(8) for one in sample(f"dir/{number:04d}", number)]
    make_tar(folder / "in" / "0.tar", [*members, *sample("tiny", 50, width=30, height=30)])
    curated(folder / "in", folder / "out", RECIPE, workers=0)
    return folder / "out"


# a process of its own, as a user has it: the package leaves files to the garbage collector, which warns
READER = """
import hashlib, json, sys
import webdataset
urls = sys.argv[1:]
decoded = webdataset.WebDataset(urls, shardshuffle=False, empty_check=False).decode("pil")
raw = webdataset.WebDataset(urls, shardshuffle=False, empty_check=False)
print(json.dumps([
    [one["__key__"], one["jpg"].size, one["txt"], one["json"]["seed"], hashlib.sha256(bytes_["jpg"]).hexdigest()]
    for one, bytes_ in zip(decoded, raw, strict=True)
]))
"""


def test_webdataset_reads_the_tars(output):
    """The webdataset package finds every sample: picture, caption and label under one key, in order, the very bytes."""
    urls = [str(path) for path in sorted(output.glob("*.tar"))]
    done = subprocess.run([sys.executable, "-c", READER, *urls], capture_output=True, text=True, check=True)
    samples = json.loads(done.stdout)
    rows = delivered_rows(output)
    assert len(urls) == 2
    assert samples == [
        [f"dir/{number:04d}", [96, 72], f"picture {number} of señor dir/{number:04d}", number, rows[number]["sha256"]]
        for number in range(8)
    ]


def test_duckdb_reads_all_parquet(output):
    """DuckDB reads shards' Parquet, parts and decisions by glob, and joins them."""
    query = """
        SELECT d.verdict, count(*), min(p.entropy) > 0, count(s.shard)
        FROM read_parquet(?) d JOIN read_parquet(?) p USING (image_id) LEFT JOIN read_parquet(?) s USING (image_id)
        GROUP BY 1 ORDER BY 1
    """
    places = [f"{output}/run/decisions.parquet", f"{output}/run/parts/*.parquet", f"{output}/*.parquet"]
    assert duckdb.execute(query, places).fetchall() == [("keep", 8, True, 8), ("reject", 1, True, 0)]


def test_duckdb_reads_embeddings(output):
    """DuckDB reads half-precision vectors as lists of floats, fit for its own similarity functions."""
    query = "SELECT list_cosine_similarity(embedding::FLOAT[], embedding::FLOAT[]) FROM read_parquet(?)"
    rows = duckdb.execute(query, [f"{output}/0*.parquet"]).fetchall()
    assert len(rows) == 8
    assert all(abs(value - 1.0) < 1e-3 for (value,) in rows)


def test_pandas_reads_all_parquet(output):
    """Every file opens in pandas with its types: numbers as numbers, the embedding as half-precision vectors."""
    frame = pd.concat([pd.read_parquet(path) for path in sorted(output.glob("*.parquet"))], ignore_index=True)
    assert list(frame["image_id"]) == [f"0/dir/{number:04d}" for number in range(8)]
    assert frame["entropy"].dtype == np.float64
    assert frame["width"].dtype == np.int64
    assert all(json.loads(text)["seed"] == number for number, text in enumerate(frame["metadata"]))
    matrix = np.stack(list(frame["embedding"]))
    assert (matrix.dtype, matrix.shape) == (np.dtype(np.float16), (8, 1280))
    verdicts = pd.read_parquet(output / "run" / "decisions.parquet")
    assert verdicts["verdict"].value_counts().to_dict() == {"keep": 8, "reject": 1}


def test_pandas_reads_embeddings_of_the_run(output):
    """The run's embeddings open in pandas, a row an image, in the order of the part."""
    (path,) = (output / "run" / "embeddings").iterdir()
    frame = pd.read_parquet(path)
    assert list(frame["image_id"]) == [row["image_id"] for row in decisions(output)]
    assert len(frame["embedding"][0]) == 1280


def test_parquet_has_statistics(output):
    """Parts and delivered Parquet have column statistics, so that a query reads only what it must."""
    for path in [*output.glob("*.parquet"), *(output / "run" / "parts").iterdir()]:
        group = pq.read_metadata(path).row_group(0)
        by_name = {group.column(at).path_in_schema: group.column(at) for at in range(group.num_columns)}
        assert by_name["entropy"].statistics.has_min_max
        assert by_name["image_id"].statistics.has_min_max

"""Embeddings as files, and runs of the workflow on them: what its tests share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from nemo_curator.backends.local import LocalExecutor
from nemo_curator.stages.deduplication.semantic import SemanticDeduplicationWorkflow

HERE = LocalExecutor({"num_workers": 0})
EPS = 0.1


def names(count):
    """Ids of that many rows."""
    return [f"shard/{at:06d}" for at in range(count)]


def write(folder: Path, rows, files=3, ids=None, kind=None, **columns):
    """Rows as Parquet files of embeddings."""
    folder.mkdir(parents=True, exist_ok=True)
    ids = names(len(rows)) if ids is None else ids
    kind = kind or pa.list_(pa.float32())
    for number, part in enumerate(np.array_split(np.arange(len(rows)), files)):
        table = {"id": [ids[at] for at in part], "embeddings": pa.array([rows[at].tolist() for at in part], kind)}
        further = {name: [values[at] for at in part] for name, values in columns.items()}
        pq.write_table(pa.table(table | further), folder / f"{number}.parquet")
    return str(folder)


def run(folder: Path, rows=None, executor=HERE, **given):
    """Run the workflow on rows; gives the result and the duplicates."""
    if rows is not None:
        write(folder / "in", rows)
    defaults = {"n_clusters": 8, "eps": EPS, "verbose": False}
    workflow = SemanticDeduplicationWorkflow(str(folder / "in"), str(folder / "out"), **(defaults | given))
    result = workflow.run(executor, executor)
    found = folder / "out" / "duplicates"
    return result, pq.read_table(found).to_pylist() if found.exists() else None

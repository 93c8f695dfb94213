"""Runs made of rows and embeddings, without an image or a model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from nemo_curator import storage
from nemo_curator.runs.deciding import SCHEMA
from nemo_curator.runs.fingerprints import EMBEDDING
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.parts import part_schema, write_embeddings, write_part

MADE = "0123456789abcdef"
"""The fingerprint that these embeddings bear."""


def unit_rows(count, dimension=16, seed=0):
    """Random rows of unit norm, as a model gives them."""
    rows = np.random.default_rng([seed, count, dimension]).standard_normal((count, dimension)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def embedded_run(root: Path | str, *partitions, fingerprint: str = MADE):
    """A run whose partitions are lists of (id, vector or error code), and the ids of its partitions in order."""
    run = RunDirectory(storage.join(str(root), "run"))
    ids = [f"{15 - index:016x}" for index in range(len(partitions))]  # not in the order of their names
    for partition_id, rows in zip(ids, partitions, strict=True):
        records = [
            {
                "image_id": name,
                "ordinal": at,
                "input": "",
                "source": "a.tar",
                "key": name,
                "width": 10 + int("".join(filter(str.isdigit, name)) or 0) % 1000,
                "error": what if isinstance(what, str) else None,
                "error_detail": "it is so" if isinstance(what, str) else None,
            }
            for at, (name, what) in enumerate(rows)
        ]
        readable = [(name, what) for name, what in rows if not isinstance(what, str)]
        if readable:
            names, vectors = [name for name, _ in readable], [vector for _, vector in readable]
            write_embeddings(run, partition_id, names, vectors, fingerprint)
        write_part(run, partition_id, records, part_schema(()), {EMBEDDING: fingerprint})
    return run, ids


def decide_by(run, verdicts):
    """Decisions of a run: (id, verdict) of every input, in source order, in small row groups."""
    rows = [
        {"image_id": name, "verdict": verdict, "rule": "r" if verdict == "reject" else None}
        for name, verdict in verdicts
    ]
    with storage.write_atomic(run.decisions) as file:
        pq.write_table(pa.Table.from_pylist(rows, SCHEMA), file, row_group_size=7)

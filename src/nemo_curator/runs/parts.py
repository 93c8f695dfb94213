"""Part files: one row an input record of a partition, written last, whole or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from nemo_curator import storage
from nemo_curator.errors import StageError
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.stages.declarations import Column
from nemo_curator.stages.image.io.rows import IDENTITY, identity_row
from nemo_curator.tasks import ImageObject, Record

ERROR: dict[str, tuple[pa.DataType, str]] = {
    "error": (pa.string(), "Code of what made the input unusable, or NULL"),
    "error_stage": (pa.string(), "Stage that found it"),
    "error_detail": (pa.string(), "What happened, in a sentence"),
}
_TYPES: dict[str, pa.DataType] = {"float": pa.float64(), "int": pa.int64(), "bool": pa.bool_(), "string": pa.string()}


def part_schema(columns: Sequence[Column]) -> pa.Schema:
    """The schema of a run's parts: identity, the run's scores, the error.

    Raises:
        StageError: Two scores, or a score and an identity column, share a name, in upper or lower case.
    """
    names = [name.lower() for name in (*IDENTITY, *(column.name for column in columns), *ERROR)]
    double = {name for name in names if names.count(name) > 1}
    if double:
        raise StageError(f"two stages record the column {min(double)!r}", act="leave one of them out of the scores")
    fields = {name: kind for name, (kind, _) in IDENTITY.items()}
    fields |= {column.name: _TYPES[column.type] for column in columns}
    return pa.schema(fields | {name: kind for name, (kind, _) in ERROR.items()})


def part_row(image: ImageObject | Record) -> dict[str, Any]:
    """One input's row. A reject of a stage (a stage written elsewhere dropped it) is no error: rules decide."""
    row = {**identity_row(image), **image.scores}
    if isinstance(image, Record):
        code = image.code or ("dropped" if image.verdict == "reject" else "unknown")
        row |= {"error": code, "error_stage": image.stage, "error_detail": image.detail}
    return row


def write_part(run: RunDirectory, partition_id: str, rows: Sequence[dict[str, Any]], schema: pa.Schema) -> None:
    """Write a partition's rows in source order.

    Raises:
        StorageError: The file cannot be written.
    """
    ordered = sorted(rows, key=lambda row: row["ordinal"])
    columns = [pa.array([row.get(field.name) for row in ordered], field.type) for field in schema]
    with storage.write_atomic(run.part(partition_id)) as file:
        pq.write_table(pa.table(columns, schema=schema), file, compression="zstd")


def write_embeddings(run: RunDirectory, partition_id: str, ids: Sequence[str], vectors: Sequence[Any]) -> None:
    """Write a partition's embeddings as half-precision vectors of one length, in source order.

    Args:
        run: The run.
        partition_id: The partition.
        ids: Image ids, in source order.
        vectors: `(D,)` float32 of unit norm for each.

    Raises:
        StorageError: The file cannot be written.
    """
    matrix = np.asarray(vectors, np.float16)
    values = pa.array(matrix.reshape(-1), pa.float16())
    lists = pa.FixedSizeListArray.from_arrays(values, matrix.shape[1])
    table = pa.table({"image_id": pa.array(ids, pa.string()), "embedding": lists})
    with storage.write_atomic(run.embeddings(partition_id)) as file:
        pq.write_table(table, file, compression="zstd")


def read_part(run: RunDirectory, partition_id: str, columns: Sequence[str] | None = None) -> pa.Table:
    """A part's rows, all columns or some."""
    with storage.open(run.part(partition_id)) as file:
        return pq.read_table(file, columns=list(columns) if columns is not None else None)

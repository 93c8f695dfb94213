"""Part files: one row an input record of a partition, written last, whole or not at all.

A part says in its own metadata how each of its columns was computed, so that no other file need be believed about it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from nemo_curator import storage
from nemo_curator.errors import InputError, StageError
from nemo_curator.runs.fingerprints import EMBEDDING, RECORDS
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.record_digest import RecordDigest
from nemo_curator.runs.row_groups import row_groups
from nemo_curator.shards.parquet import open_parquet, read_footer
from nemo_curator.stages.declarations import Column
from nemo_curator.stages.image.io.rows import IDENTITY, identity_row
from nemo_curator.tasks import ImageObject, Record

ERROR: dict[str, tuple[pa.DataType, str]] = {
    "error": (pa.string(), "Code of what made the input unusable, or NULL"),
    "error_stage": (pa.string(), "Stage that found it"),
    "error_detail": (pa.string(), "What happened, in a sentence"),
}
FINGERPRINTS = b"imagecurator.columns"
"""Key in the metadata of a part's schema: JSON, column to fingerprint of how it was computed."""

RECORD_DIGEST = b"imagecurator.records"
"""Key in the metadata of a part's file: `RecordDigest` of its rows, so that these are known without being read."""

VECTOR_DIGEST = b"imagecurator.vectors"
"""The same of embeddings: SHA-256 of their matrix."""

ROW_GROUP = 100_000
"""Rows of a part that are written together."""

_TWO_NAMES = "a column has two names"
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


def part_table(rows: Sequence[dict[str, Any]], schema: pa.Schema) -> pa.Table:
    """A partition's rows as a table, in source order."""
    ordered = sorted(rows, key=lambda row: row["ordinal"])
    return pa.table([pa.array([row.get(field.name) for row in ordered], field.type) for field in schema], schema=schema)


def write_part(
    run: RunDirectory,
    partition_id: str,
    rows: Sequence[dict[str, Any]],
    schema: pa.Schema,
    fingerprints: Mapping[str, str] | None = None,
) -> None:
    """Write a partition's rows in source order.

    Raises:
        StorageError: The file cannot be written.
    """
    write_part_table(run, partition_id, part_table(rows, schema), fingerprints or {})


def write_part_table(
    run: RunDirectory, partition_id: str, tables: pa.Table | Iterable[pa.Table], fingerprints: Mapping[str, str]
) -> None:
    """Write a partition's table, and how its columns were computed.

    Args:
        run: The run.
        partition_id: The partition.
        tables: Its rows, or one table or more that follow one another: a large part need not be in memory whole.
        fingerprints: Column to fingerprint.

    Raises:
        StorageError: The file cannot be written.
    """
    marks = {FINGERPRINTS: json.dumps(dict(fingerprints), sort_keys=True)}
    groups = row_groups([tables] if isinstance(tables, pa.Table) else tables, ROW_GROUP)
    first = next(groups)
    schema, digest = first.schema.with_metadata(marks), RecordDigest()
    with (
        storage.write_atomic(run.part(partition_id)) as file,
        pq.ParquetWriter(file, schema, compression="zstd", write_page_checksum=True) as writer,
    ):
        for group in chain([first], groups):
            writer.write_table(group.replace_schema_metadata(marks), row_group_size=ROW_GROUP)
            digest.add(group)
        writer.add_key_value_metadata({RECORD_DIGEST.decode(): digest.value()})


def write_embeddings(
    run: RunDirectory,
    partition_id: str,
    ids: Sequence[str],
    vectors: Sequence[Any],
    fingerprint: str = "",
    *,
    is_new: bool = False,
) -> None:
    """Write a partition's embeddings as half-precision vectors of one length, in source order, for two kinds of reader.

    The Parquet goes first and comes last: where it is, the matrix beside it is of the same embeddings.

    Args:
        run: The run.
        partition_id: The partition.
        ids: Image ids, in source order.
        vectors: `(D,)` float32 of unit norm for each.
        fingerprint: Of how they were computed.
        is_new: Whether none are there that these replace.

    Raises:
        StorageError: A file cannot be written.
    """
    matrix: npt.NDArray[np.float16] = np.ascontiguousarray(vectors, np.float16)
    if not is_new:
        storage.remove(run.embeddings(partition_id))
    with storage.write_atomic(run.embedding_matrix(partition_id)) as file:
        np.lib.format.write_array(file, matrix, version=(1, 0), allow_pickle=False)
    values = pa.array(matrix.reshape(-1), pa.float16())
    lists = pa.FixedSizeListArray.from_arrays(values, matrix.shape[1])
    table = pa.table({"image_id": pa.array(ids, pa.string()), "embedding": lists})
    digest = hashlib.sha256(matrix.data).hexdigest()
    table = table.replace_schema_metadata({FINGERPRINTS: json.dumps({EMBEDDING: fingerprint}), VECTOR_DIGEST: digest})
    with storage.write_atomic(run.embeddings(partition_id)) as file:
        pq.write_table(table, file, compression="zstd", write_page_checksum=True)


def read_part(run: RunDirectory, partition_id: str, columns: Sequence[str] | None = None) -> pa.Table:
    """A part's rows, all columns or some; a column that it does not have is left out.

    Raises:
        InputError: There is no part, or a damaged one.
    """
    url = run.part(partition_id)
    try:
        return _read(url, check_columns, columns)
    except FileNotFoundError as error:
        raise damaged(url, " ".join(str(error).split())) from None


def check_columns(parquet: pq.ParquetFile, url: str) -> None:
    """Refuse an open part whose columns are not those that it was written with, under either name that each has.

    Raises:
        InputError: They are not.
    """
    check_types(parquet.schema_arrow, url)
    if not _agrees(parquet.metadata):
        raise damaged(url, _TWO_NAMES)


def check_types(schema: pa.Schema, url: str) -> None:
    """Refuse a part whose columns are not those that it was written with: its end, which has no checksum, was altered.

    Raises:
        InputError: They are not.
    """
    wrong = _altered(schema)
    if wrong:
        raise damaged(url, wrong)


def _altered(schema: pa.Schema) -> str:
    """What is wrong with the columns of a part, in words; "" where nothing is."""
    own = {name: kind for name, (kind, _) in {**IDENTITY, **ERROR}.items()}
    scores = set(column_marks(schema.metadata)) - {RECORDS, EMBEDDING}
    missing = next((name for name in [*own, *sorted(scores)] if name not in schema.names), None)
    if missing is not None:
        return f"the column {missing} is missing"
    changed = next((name for name, kind in own.items() if schema.field(name).type != kind), None)
    return f"the column {changed} is of another type" if changed else ""


def read_embeddings(run: RunDirectory, partition_id: str) -> pa.Table | None:
    """`image_id` and `embedding` of a partition's readable images, in source order; None where there are none.

    Raises:
        InputError: They are damaged.
    """
    try:
        return _read(run.embeddings(partition_id), check_embeddings)
    except FileNotFoundError:
        return None


def _agrees(metadata: pq.FileMetaData) -> bool:
    """Whether Parquet's own names of the columns are those of Arrow, which stand in the file too."""
    found = {metadata.schema.column(index).path.partition(".")[0] for index in range(metadata.num_columns)}
    return found == {name.partition(".")[0] for name in metadata.schema.to_arrow_schema().names}


def check_embeddings(parquet: pq.ParquetFile, url: str) -> None:
    """Refuse an open Parquet of embeddings whose columns are not those that it was written with.

    Raises:
        InputError: They are not.
    """
    if not _agrees(parquet.metadata):
        raise damaged(url, _TWO_NAMES)
    kinds = {field.name: field.type for field in parquet.schema_arrow}
    vector = kinds.get("embedding", pa.null())
    if kinds.get("image_id") != pa.string() or not pa.types.is_fixed_size_list(vector):
        raise damaged(url, "its columns are not image_id and embedding")
    if vector.value_type != pa.float16():
        raise damaged(url, "the vectors are of another type")


def _read(url: str, check: Callable[[pq.ParquetFile, str], None], columns: Sequence[str] | None = None) -> pa.Table:
    try:
        with open_parquet(url) as parquet:
            check(parquet, url)
            there = set(parquet.schema_arrow.names)
            return parquet.read(columns=None if columns is None else [name for name in columns if name in there])
    except FileNotFoundError:
        raise
    except (OSError, ValueError, pa.ArrowException) as error:
        if isinstance(error, InputError):
            raise
        raise damaged(url, " ".join(str(error).split())) from None


def damaged(url: str, cause: str) -> InputError:
    """The error about a file of a run that cannot be read, or is not what it must be."""
    return InputError(
        "this file of the run is damaged or missing",
        where=url,
        cause=cause,
        act="remove it, and run `imagecurator score INPUT RUN` or `run` again: that partition alone is computed",
    )


@dataclass(frozen=True, slots=True)
class PartFacts:
    """What the end of a part says about it.

    Attributes:
        rows: Number of input records.
        readable: How many of them have no error.
        fingerprints: Column to fingerprint of how it was computed.
        records: `RecordDigest` of its rows; "" where an earlier version wrote it.
        schema: Its columns.
    """

    rows: int
    readable: int
    fingerprints: dict[str, str]
    records: str = ""
    schema: pa.Schema = field(default_factory=lambda: pa.schema([]), repr=False, compare=False)


def part_facts(run: RunDirectory, partition_id: str) -> PartFacts | None:
    """What a part says about itself; None where there is no part, or a torn one."""
    try:
        metadata = read_footer(run.part(partition_id))
        schema = metadata.schema.to_arrow_schema()
        if _altered(schema) or not _agrees(metadata):
            return None
        marks = metadata.metadata or {}
        return PartFacts(
            metadata.num_rows,
            _readable(metadata),
            column_marks(marks),
            marks.get(RECORD_DIGEST, b"").decode(),
            schema.remove_metadata(),
        )
    except (OSError, pa.ArrowException, ValueError, AttributeError):
        return None


def facts_of(run: RunDirectory, partition_ids: Iterable[str]) -> Iterator[PartFacts | None]:
    """What parts say about themselves, as `part_facts`, in order; elsewhere many are asked at once."""
    schema = pa.schema([])
    for facts in storage.at_once(lambda one: part_facts(run, one), partition_ids, run.root):
        if facts is None:
            yield None
            continue
        schema = schema if facts.schema.equals(schema) else facts.schema  # one for all that are alike: parts are many
        yield replace(facts, schema=schema)


def part_fingerprints(run: RunDirectory, partition_id: str) -> dict[str, str] | None:
    """How the columns of a part were computed; None where there is no part, or a torn one."""
    facts = part_facts(run, partition_id)
    return None if facts is None else facts.fingerprints


def column_marks(metadata: Mapping[bytes, bytes] | None) -> dict[str, str]:
    """Column to fingerprint, as the metadata of a part or of embeddings say."""
    marks = json.loads((metadata or {}).get(FINGERPRINTS, b"{}"))
    return {str(name): str(value) for name, value in marks.items()}


def _readable(metadata: pq.FileMetaData) -> int:
    """Rows whose error is NULL."""
    found = 0
    for group in (metadata.row_group(index) for index in range(metadata.num_row_groups)):
        columns = (group.column(index) for index in range(group.num_columns))
        errors = next((column.statistics for column in columns if column.path_in_schema == "error"), None)
        found += errors.null_count if errors is not None and errors.null_count is not None else group.num_rows
    return found

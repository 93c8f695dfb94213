"""Embeddings in Parquet files of users: what they must look like, and how their rows are read.

Half, single and double precision are taken, in lists of any kind. Rows are scaled to unit length in single precision.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from nemo_curator.errors import DuplicateIdError, InputError, nearest
from nemo_curator.kernels.rows import Float32
from nemo_curator.shards.parquet import open_parquet
from nemo_curator.stages.deduplication.semantic.column_kinds import has_order, plain, plain_kind

_AT_ONCE = 4_000_000  # numbers that are read together


@dataclass(frozen=True, slots=True)
class EmbeddingTables:
    """Parquet files with a row an image.

    Attributes:
        files: Paths or URLs, in order.
        id_field: Column of the ids.
        embedding_field: Column of the embeddings.
        metadata_fields: Further columns.
        sorted_by: Those of them that rows are sorted by.
    """

    files: Sequence[str]
    id_field: str
    embedding_field: str
    metadata_fields: Sequence[str] = ()
    sorted_by: Sequence[str] = ()

    def columns(self) -> list[str]:
        """Ids and metadata, without the embedding."""
        return list(dict.fromkeys([self.id_field, *self.metadata_fields]))

    def check(self) -> int:
        """Look at the ends of all files; returns how many rows there are.

        Raises:
            InputError: A file is no Parquet, lacks a column, or holds something else in it: the embeddings are lists of
                floats, and ids and what rows are sorted by have an order.
        """
        rows = 0
        known: dict[str, tuple[pa.DataType, str]] = {}
        for url in self.files:
            try:
                with open_parquet(url) as parquet:
                    schema, count = parquet.schema_arrow, parquet.metadata.num_rows
            except (OSError, pa.ArrowException) as error:
                raise _unreadable(url, error) from None
            self._check_schema(url, schema)
            for name in self.columns():
                kind = plain_kind(schema.field(name).type)
                if pa.types.is_null(kind):  # no row of this file has a value
                    continue
                first, there = known.setdefault(name, (kind, url))
                if kind != first:
                    raise InputError(
                        f"column {name!r} is {kind} here and {first} in {there}",
                        where=url,
                        act="write all files with one schema",
                    )
            rows += count
        return rows

    def _check_schema(self, url: str, schema: pa.Schema) -> None:
        for name in [*self.columns(), self.embedding_field]:
            if name not in schema.names:
                raise InputError(f"there is no column {name!r}", where=url, act=nearest(name, schema.names))
        kind = schema.field(self.embedding_field).type
        if not (_is_list_of_floats(kind) or pa.types.is_null(kind)):  # of a file where no row has one
            raise InputError(
                f"column {self.embedding_field!r} holds {kind}, not lists of floating-point numbers",
                where=url,
                act="name the column of the embeddings as embedding_field",
            )
        for name in (self.id_field, *self.sorted_by):
            if name not in schema.names:  # a distance, which is added
                continue
            kind = plain_kind(schema.field(name).type)
            if not has_order(kind):
                raise InputError(
                    f"column {name!r} holds {kind}, which has no order",
                    where=url,
                    act="write text or numbers there, or name another column",
                )

    def check_ids(self) -> None:
        """Whether every row has an id of its own.

        Raises:
            DuplicateIdError: An id stands in two rows, which nothing could tell apart afterwards.
            InputError: A row has none, or a file cannot be read.
        """
        found = []
        for url in self.files:
            try:
                with open_parquet(url) as parquet:
                    column = plain(parquet.read(columns=[self.id_field]))[self.id_field]
            except (OSError, pa.ArrowException) as error:
                raise _unreadable(url, error) from None
            if column.null_count:
                raise InputError(
                    f"{column.null_count:,} rows have no {self.id_field!r}", where=url, act="give every row an id"
                )
            found += column.chunks if len(column) else []  # no row, and maybe no type
        if not found:
            return
        counts = pc.value_counts(pa.chunked_array(found))
        often = np.asarray(counts.field("counts"))
        if not (often > 1).any():
            return
        worst = int(often.argmax())
        raise DuplicateIdError(
            f"the id {counts.field('values')[worst].as_py()!r} stands in {often[worst]:,} rows",
            where=f"column {self.id_field!r}",
            cause="a file is there twice, or ids are unique in each file alone",
            act="write unique ids; what is removed is told by id",
        )

    def width(self, dimension: int | None = None) -> int | None:
        """Numbers of the first embedding; None where there is none.

        Args:
            dimension: What it must be; None takes anything.

        Raises:
            InputError: It is another, or a file cannot be read.
        """
        return next((vectors.shape[1] for _, vectors, directed in self.blocks(dimension) if directed.any()), None)

    def blocks(self, dimension: int | None = None) -> Iterator[tuple[pa.Table, Float32, npt.NDArray[np.bool_]]]:
        """All rows, some at a time.

        Args:
            dimension: Numbers that an embedding must have; None takes the number of the first.

        Yields:
            (Ids and metadata, embeddings `(N, D)` at unit length, whether each has a direction). The embedding of a
            row without one (missing, empty, zeros, NaN, infinity) is zeros; before the first row that has any number,
            D is 0 unless it is given.

        Raises:
            InputError: A file cannot be read, or embeddings differ in length.
        """
        for url in self.files:
            try:
                with open_parquet(url) as parquet:
                    size = max(1, min(65_536, _AT_ONCE // (dimension or 1024)))
                    for batch in parquet.iter_batches(size, columns=[*self.columns(), self.embedding_field]):
                        if not batch.num_rows:
                            continue
                        table = pa.Table.from_batches([batch])
                        vectors, dimension = _matrix(table[self.embedding_field], dimension, url)
                        scaled, directed = _at_unit_length(vectors)
                        yield plain(table.select(self.columns())), scaled, directed
            except (OSError, pa.ArrowException) as error:
                raise _unreadable(url, error) from None


def _is_list_of_floats(kind: Any) -> bool:
    is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    return bool(is_list and pa.types.is_floating(kind.value_type))


def _matrix(
    column: pa.ChunkedArray[Any], dimension: int | None, url: str
) -> tuple[npt.NDArray[np.float64], int | None]:
    """Embeddings as `(N, D)`, and D; a row that is missing or empty, or holds a missing number, is NaN.

    Where no row tells D it stays None, and the matrix has no columns: a later file may tell.
    """
    if pa.types.is_null(column.type):
        return np.full((len(column), dimension or 0), np.nan), dimension
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)
    there = (lengths > 0) & column.is_valid().to_numpy(zero_copy_only=False)
    found = np.unique(lengths[there]).tolist()
    if dimension is None and found:
        dimension = found[0]
    if [length for length in found if length != dimension]:
        raise InputError(
            f"embeddings have {', '.join(map(str, found))} numbers where {dimension} are expected",
            where=url,
            act="embed all images with one model, or leave embedding_dim out",
        )
    matrix = np.full((len(column), dimension or 0), np.nan)
    if found:
        values = pc.list_flatten(column.filter(pa.array(there)))
        matrix[there] = values.to_numpy(zero_copy_only=False).astype(np.float64).reshape(-1, found[0])
    return matrix, dimension


def _at_unit_length(vectors: npt.NDArray[np.float64]) -> tuple[Float32, npt.NDArray[np.bool_]]:
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        lengths = np.sqrt((vectors * vectors).sum(axis=1))
        directed = np.isfinite(lengths) & (lengths > 0)
        scaled = vectors / lengths[:, None]
    scaled[~directed] = 0.0
    return scaled.astype(np.float32), directed


def _unreadable(url: str, error: Exception) -> InputError:
    return InputError(
        f"it cannot be read as Parquet: {' '.join(str(error).split())}",
        where=url,
        cause="it is torn, or something else",
        act="write it again, or leave it out of the input",
    )

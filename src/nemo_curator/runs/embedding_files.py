"""The embeddings of a run as files for other programs: Parquet, or a matrix for NumPy with its ids beside it.

Everything is in source order, and equal embeddings are equal bytes, however the run came by them. Some thousands of
rows are in memory at a time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from nemo_curator import storage
from nemo_curator.errors import ConservationError
from nemo_curator.runs.embedding_names import UNREADABLE, EmbeddingSettings, FloatType, Piece, pieces
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.lookup import ID
from nemo_curator.runs.parts import ERROR, damaged, facts_of, read_part
from nemo_curator.runs.stored_embeddings import StoredEmbeddings, stored_embeddings
from nemo_curator.stages.image.io.rows import IDENTITY

ROWS = 10_000
"""Rows that are written together."""

_TYPES = {name: kind for name, (kind, _) in {**IDENTITY, **ERROR}.items()}
FACTS = pa.schema({name: _TYPES[name] for name in ("image_id", "input", "source", "key", "width", "height", "sha256")})
"""Columns that stand before each embedding."""

TROUBLE = pa.schema({name: _TYPES[name] for name in ("image_id", "input", "source", "key", *ERROR)})
"""Columns of the list of inputs that cannot be read."""

Write = Callable[[pa.Table], None]


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """One file.

    Attributes:
        name: Its name in the output.
        rows: Rows in it.
        bytes: Its length.
    """

    name: str
    rows: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Extent:
    """How much there is to write.

    Attributes:
        images: How many images have an embedding.
        inputs: How many inputs there are.
        dimension: Numbers in an embedding.
    """

    images: int
    inputs: int
    dimension: int


def extent_of(run: RunDirectory, partition_ids: Sequence[str], dimension: int) -> Extent:
    """How much a run has, known from the ends of its files.

    Args:
        run: A run whose partitions are all done, with their embeddings.
        partition_ids: Its partitions.
        dimension: Numbers in an embedding.

    Raises:
        InputError: A part or its embeddings are damaged, or of another length.
    """
    images = inputs = 0
    for partition_id, facts in zip(partition_ids, facts_of(run, partition_ids), strict=True):
        if facts is None:
            raise damaged(run.part(partition_id), "it is missing or torn")
        if facts.readable:
            _stored(run, partition_id, facts.readable, dimension)
        images += facts.readable
        inputs += facts.rows
    return Extent(images, inputs, dimension)


def write_embedding_files(
    run: RunDirectory,
    partition_ids: Sequence[str],
    output: str,
    settings: EmbeddingSettings,
    extent: Extent,
    progress: Callable[[int], None] = lambda _: None,
) -> list[WrittenFile]:
    """Write the embeddings of a run; files of those names that are there are replaced, one by one.

    Args:
        run: The run.
        partition_ids: Its partitions, in source order.
        output: Folder or URL.
        settings: How.
        extent: What `extent_of` found.
        progress: Called with the number of further images that are written.

    Raises:
        InputError: A file of the run is damaged.
        ConservationError: There are fewer embeddings than the parts speak of.
        StorageError: A file cannot be written.
    """
    files: list[WrittenFile] = []
    supply = _Supply(_rows(run, partition_ids, extent.dimension), _with_embedding(extent.dimension, "float16"))
    for piece in pieces(extent.images, settings):
        with _open(output, piece, settings, extent.dimension) as write:
            left = piece.rows
            while left:
                block = supply.take(min(ROWS, left))
                if not block.num_rows:
                    raise ConservationError(
                        f"{left:,} embeddings are missing of those that the parts speak of",
                        where=run.root,
                        act="keep the run directory and report it",
                    )
                write(block)
                progress(block.num_rows)
                left -= block.num_rows
        files += [_written(output, name, piece.rows) for name in piece.names(settings)]
    return files


def write_unreadable(
    run: RunDirectory, partition_ids: Sequence[str], output: str
) -> tuple[dict[str, int], WrittenFile | None]:
    """List the inputs that have no embedding, and why; where there are none, no file is written.

    Args:
        run: The run.
        partition_ids: Its partitions, in source order.
        output: Folder or URL.

    Returns:
        (error code to number, sorted; the file).

    Raises:
        InputError: A part is damaged.
        StorageError: The file cannot be written.
    """
    codes: Counter[str] = Counter()
    supply = _Supply(_trouble(run, partition_ids), TROUBLE)
    block = supply.take(ROWS)
    if not block.num_rows:
        return {}, None
    with _parquet(output, UNREADABLE, TROUBLE) as write:
        while block.num_rows:
            codes.update(map(str, block["error"].to_pylist()))
            write(block)
            block = supply.take(ROWS)
    return dict(sorted(codes.items())), _written(output, UNREADABLE, codes.total())


class _Supply:
    """Tables of any length, to be taken in blocks of a given length: equal rows make equal blocks."""

    def __init__(self, tables: Iterator[pa.Table], schema: pa.Schema) -> None:
        self._tables = tables
        self._held = schema.empty_table()

    def take(self, rows: int) -> pa.Table:
        """The next rows; fewer at the end."""
        held, there = [self._held], self._held.num_rows
        while there < rows and (table := next(self._tables, None)) is not None:
            held.append(table)
            there += table.num_rows
        whole = pa.concat_tables(held)
        self._held = whole.slice(rows)
        return whole.slice(0, rows).combine_chunks()


def _rows(run: RunDirectory, partition_ids: Sequence[str], dimension: int) -> Iterator[pa.Table]:
    """Facts and embedding of every readable image."""
    for partition_id in partition_ids:
        part = read_part(run, partition_id, [*FACTS.names, "error"])
        facts = part.filter(pc.is_null(part["error"])).select(FACTS.names)
        if not facts.num_rows:
            continue
        start = 0
        for ids, matrix in _stored(run, partition_id, facts.num_rows, dimension).batches(ROWS):
            piece = facts.slice(start, len(ids)).combine_chunks()
            if not piece[ID].combine_chunks().equals(ids):
                raise damaged(run.embeddings(partition_id), "its ids are not those of the part beside it")
            yield piece.append_column("embedding", _lists(matrix))
            start += len(ids)


def _trouble(run: RunDirectory, partition_ids: Sequence[str]) -> Iterator[pa.Table]:
    """Every input that has an error."""
    for partition_id in partition_ids:
        part = read_part(run, partition_id, TROUBLE.names)
        yield part.filter(pc.is_valid(part["error"])).select(TROUBLE.names).cast(TROUBLE)


def _stored(run: RunDirectory, partition_id: str, readable: int, dimension: int) -> StoredEmbeddings:
    stored = stored_embeddings(run, partition_id)
    place = run.embeddings(partition_id)
    if stored is None:
        raise damaged(place, "it, or the matrix that belongs to it, is missing or torn")
    if stored.rows != readable:
        raise damaged(place, f"it has {stored.rows:,} rows, and its part {readable:,} readable images")
    if stored.dimension != dimension:
        raise damaged(place, f"its vectors have {stored.dimension:,} numbers, not {dimension:,}")
    return stored


def _with_embedding(dimension: int, dtype: FloatType) -> pa.Schema:
    kind = pa.float16() if dtype == "float16" else pa.float32()
    return FACTS.append(pa.field("embedding", pa.list_(kind, dimension)))


def _lists(matrix: npt.NDArray[Any]) -> pa.Array[Any]:
    return pa.FixedSizeListArray.from_arrays(pa.array(matrix.reshape(-1)), matrix.shape[1])


def _matrix(block: pa.Table) -> npt.NDArray[Any]:
    lists = cast("pa.FixedSizeListArray[Any, Any]", block["embedding"].combine_chunks())
    return lists.flatten().to_numpy().reshape(block.num_rows, -1)


def _as(block: pa.Table, dtype: FloatType) -> pa.Table:
    """The same rows with embeddings of that type."""
    if dtype == "float16":
        return block
    return block.select(FACTS.names).append_column("embedding", _lists(_matrix(block).astype(np.float32)))


@contextmanager
def _open(output: str, piece: Piece, settings: EmbeddingSettings, dimension: int) -> Iterator[Write]:
    """All files of a piece, to be written block by block."""
    with ExitStack() as stack:
        writers: list[Write] = []
        if "parquet" in settings.forms:
            schema = _with_embedding(dimension, settings.dtype)
            writers.append(stack.enter_context(_parquet(output, piece.parquet, schema)))
        if "npy" in settings.forms:
            # the ids get their name last: where they are, the matrix is
            writers.append(stack.enter_context(_parquet(output, piece.ids, FACTS)))
            file = stack.enter_context(storage.write_atomic(storage.join(output, piece.matrix)))
            _begin_matrix(file, (piece.rows, dimension), settings.dtype)
            writers.append(lambda block: _write_matrix(file, _matrix(block)))

        def write(block: pa.Table) -> None:
            block = _as(block, settings.dtype)
            for one in writers:
                one(block)

        yield write


@contextmanager
def _parquet(output: str, name: str, schema: pa.Schema) -> Iterator[Write]:
    """A Parquet with some columns of the blocks, a row group each."""
    with (
        storage.write_atomic(storage.join(output, name)) as file,
        pq.ParquetWriter(
            file,
            schema,
            compression="zstd",
            use_dictionary=False,
            write_statistics=[one for one in schema.names if one != "embedding"],
            write_page_checksum=True,
        ) as writer,
    ):
        yield lambda block: writer.write_table(block.select(schema.names), row_group_size=ROWS)


def _begin_matrix(file: BinaryIO, shape: tuple[int, int], dtype: FloatType) -> None:
    descr = np.lib.format.dtype_to_descr(np.dtype(dtype).newbyteorder("<"))
    np.lib.format.write_array_header_1_0(file, {"descr": descr, "fortran_order": False, "shape": shape})


def _write_matrix(file: BinaryIO, matrix: npt.NDArray[Any]) -> None:
    file.write(np.ascontiguousarray(matrix, matrix.dtype.newbyteorder("<")).tobytes())


def _written(output: str, name: str, rows: int) -> WrittenFile:
    return WrittenFile(name, rows, storage.stat(storage.join(output, name)).size)

"""The embeddings of a partition where they lie, read some at a time.

The matrix is for those who look at every row: of a local run it is mapped, of a remote one read by ranges. The Parquet
beside it is for those who hand rows on: its pages have checksums.
"""

from __future__ import annotations

import errno
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from nemo_curator import storage
from nemo_curator.errors import InputError
from nemo_curator.runs.fingerprints import EMBEDDING
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.lookup import ID
from nemo_curator.runs.parts import VECTOR_DIGEST, PartFacts, check_embeddings, column_marks, damaged
from nemo_curator.shards.parquet import open_parquet, read_footer

Half = npt.NDArray[np.float16]

_HEADER = 1 << 12  # bytes that hold the description of a matrix: NumPy's have 128
_NO_ROOM = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)  # no fault of the file


@dataclass(frozen=True, slots=True)
class StoredEmbeddings:
    """The embeddings of one partition's readable images, in source order.

    Attributes:
        run: The run.
        partition_id: The partition.
        fingerprint: Of how they were computed.
        rows: How many there are.
        dimension: Numbers in each.
        offset: Byte at which the matrix begins in its file.
        digest: SHA-256 of the matrix; "" where an earlier version wrote it.
    """

    run: RunDirectory
    partition_id: str
    fingerprint: str
    rows: int
    dimension: int
    offset: int
    digest: str = ""

    def matrix(self, start: int, stop: int) -> Half:
        """Rows `start` to `stop` as `(stop - start, dimension)`.

        Raises:
            InputError: The file is gone, or shorter than it was.
            StorageError: Too many files are open, or there is no memory.
        """
        url, shape = self.run.embedding_matrix(self.partition_id), (stop - start, self.dimension)
        offset, length = self.offset + 2 * self.dimension * start, 2 * self.dimension * (stop - start)
        try:
            if storage.is_local(url):
                return np.memmap(storage.local_path(url), np.float16, "r", offset, shape)
            return np.frombuffer(storage.read_range(url, offset, length), np.float16).reshape(shape)
        except (OSError, ValueError) as error:
            if isinstance(error, OSError) and error.errno in _NO_ROOM:
                raise storage.storage_error(url, error, verb="be read") from error
            raise damaged(url, str(error)) from None

    def ids(self) -> pa.Array[Any]:
        """The image ids, `(rows,)`.

        Raises:
            InputError: The file is gone or damaged.
        """
        found = [batch[ID] for batch in self._batches([ID], self.rows)]
        return pa.concat_arrays(found) if found else pa.array([], pa.string())

    def batches(self, most: int) -> Iterator[tuple[pa.Array[Any], Half]]:
        """Ids and rows, at most `most` at a time, their pages checked.

        Raises:
            InputError: The file is gone or damaged.
        """
        for batch in self._batches([ID, "embedding"], most):
            values = cast("pa.FixedSizeListArray[Any, Any]", batch["embedding"]).flatten().to_numpy()
            yield batch[ID], values.reshape(batch.num_rows, self.dimension)

    def _batches(self, columns: list[str], most: int) -> Iterator[pa.RecordBatch]:
        url = self.run.embeddings(self.partition_id)
        try:
            with open_parquet(url) as parquet:
                check_embeddings(parquet, url)
                yield from parquet.iter_batches(max(1, most), columns=columns)
        except (OSError, ValueError, pa.ArrowException) as error:
            if isinstance(error, InputError):
                raise
            raise damaged(url, " ".join(str(error).split())) from None


def stored_embeddings(run: RunDirectory, partition_id: str) -> StoredEmbeddings | None:
    """What lies there, found out from the ends of the two files alone; None where they are not there, or not whole."""
    places = (run.embeddings(partition_id), run.embedding_matrix(partition_id))
    try:
        metadata = read_footer(places[0])
        head = io.BytesIO(storage.read_range(places[1], 0, _HEADER))
        np.lib.format.read_magic(head)
        shape, by_columns, kind = np.lib.format.read_array_header_1_0(head)
        offset = head.tell()
        size = storage.stat(places[1]).size
        fingerprint = column_marks(metadata.metadata).get(EMBEDDING, "")
        digest = (metadata.metadata or {}).get(VECTOR_DIGEST, b"").decode()
    except (OSError, pa.ArrowException, ValueError, AttributeError):
        return None
    if len(shape) != 2 or by_columns or kind != np.float16 or shape[0] != metadata.num_rows:
        return None
    if size != offset + 2 * shape[0] * shape[1]:
        return None
    return StoredEmbeddings(run, partition_id, fingerprint, shape[0], shape[1], offset, digest)


def embeddings_fit(run: RunDirectory, partition_id: str, facts: PartFacts) -> bool:
    """Whether the embeddings beside a part are those that it speaks of, and whole.

    Only the ends of the files are looked at.

    Args:
        run: The run.
        partition_id: The partition.
        facts: What its part says.
    """
    if not facts.readable:
        return not any(map(storage.exists, (run.embeddings(partition_id), run.embedding_matrix(partition_id))))
    stored = stored_embeddings(run, partition_id)
    return (
        stored is not None and stored.rows == facts.readable and stored.fingerprint == facts.fingerprints.get(EMBEDDING)
    )

"""Some embeddings of a run as rows that a search reads: in a file of their own, or where they lie."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

from nemo_curator import storage
from nemo_curator.errors import InputError
from nemo_curator.kernels.rows import ArrayRows, PickedRows, Rows
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.pairing.distinct import Half, Ints
from nemo_curator.runs.parts import damaged
from nemo_curator.runs.stored_embeddings import StoredEmbeddings, stored_embeddings

_ROWS = 4_096  # that are read at a time


def gathered_vectors(run: RunDirectory, partition_ids: Sequence[str], numbers: Ints, folder: str) -> Rows:
    """Some embeddings of a run, one below the other in a file of their own: for those who look at all often.

    Args:
        run: The run.
        partition_ids: Its partitions, in source order.
        numbers: `(M,)` rows of all its embeddings, ascending.
        folder: A folder for the file.

    Raises:
        InputError: Embeddings are missing or damaged.
        StorageError: There is no room for the file.
    """
    if not len(numbers):
        return ArrayRows([np.empty((0, 1), np.float16)])
    matrices = _matrices(run, partition_ids, numbers)
    path = storage.join(folder, "rows.bin")
    try:
        with open(path, "wb") as file:  # noqa: PTH123 (a temporary file of our own, below a path that is plain text)
            for start, matrix in _starting(matrices):
                for low in range(0, matrix.rows, _ROWS):
                    high = min(matrix.rows, low + _ROWS)
                    wanted = numbers[slice(*np.searchsorted(numbers, [start + low, start + high]))] - start - low
                    if len(wanted):
                        file.write(np.ascontiguousarray(matrix.matrix(low, high)[wanted]).tobytes())
    except OSError as error:
        raise storage.storage_error(path, error) from error
    return ArrayRows([np.memmap(path, np.float16, "r", shape=(len(numbers), matrices[0].dimension))])


def stored_vectors(run: RunDirectory, partition_ids: Sequence[str], numbers: Ints, folder: str) -> Rows:
    """Some embeddings of a run where they lie, for those who look at few; those of a remote run are gathered.

    Args:
        run: The run.
        partition_ids: Its partitions, in source order.
        numbers: `(M,)` rows of all its embeddings, ascending.
        folder: A folder for a temporary file.

    Raises:
        InputError: Embeddings are missing or damaged.
        StorageError: There is no room for the file.
    """
    if not len(numbers) or not storage.is_local(run.root):
        return gathered_vectors(run, partition_ids, numbers, folder)
    matrices: list[Half] = [one.matrix(0, one.rows) for one in _matrices(run, partition_ids, numbers)]
    return PickedRows(ArrayRows(matrices), numbers)


def _matrices(run: RunDirectory, partition_ids: Sequence[str], numbers: Ints) -> list[StoredEmbeddings]:
    """The embeddings of the partitions that have any, at least one; all of one length, and as many as are asked for."""
    found = [one for one in (stored_embeddings(run, each) for each in partition_ids) if one is not None and one.rows]
    for one, other in pairwise(found):
        if one.dimension != other.dimension:
            raise damaged(run.embeddings(other.partition_id), "its vectors are of another length")
    if sum(one.rows for one in found) <= numbers[-1]:
        raise InputError(
            "embeddings of this run are damaged or missing",
            where=run.root,
            act="run `imagecurator score INPUT RUN` or `run` again: what is missing is computed",
        )
    return found


def _starting(matrices: Sequence[StoredEmbeddings]) -> Iterator[tuple[int, StoredEmbeddings]]:
    start = 0
    for one in matrices:
        yield start, one
        start += one.rows

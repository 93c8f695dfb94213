"""Some embeddings of a run as rows that a search reads: in a file of their own, or where they lie."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

from nemo_curator import storage
from nemo_curator.kernels.rows import ArrayRows, PickedRows, Rows
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.pairing.distinct import Ints
from nemo_curator.runs.parts import damaged, part_facts
from nemo_curator.runs.stored_embeddings import Half, StoredEmbeddings, stored_embeddings

_ROWS = 4_096  # that are read at a time
_MAPPED = 128  # files that are mapped together at most: each holds an open file


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
    matrices = _matrices(run, partition_ids)
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
    if not len(numbers) or not storage.is_local(run.root) or len(partition_ids) > _MAPPED:
        return gathered_vectors(run, partition_ids, numbers, folder)
    matrices: list[Half] = [one.matrix(0, one.rows) for one in _matrices(run, partition_ids)]
    return PickedRows(ArrayRows(matrices), numbers)


def _matrices(run: RunDirectory, partition_ids: Sequence[str]) -> list[StoredEmbeddings]:
    """The embeddings of the partitions that have any; of each as many as it has readable images, all of one length."""
    found: list[StoredEmbeddings] = []
    for partition_id in partition_ids:
        stored, facts = stored_embeddings(run, partition_id), part_facts(run, partition_id)
        if facts is None:
            raise damaged(run.part(partition_id), "it is gone, or torn")
        if facts.readable != (stored.rows if stored else 0):
            raise damaged(run.embeddings(partition_id), "it is not of the images that its part has")
        if stored is not None and stored.rows:
            found.append(stored)
    for one, other in pairwise(found):
        if one.dimension != other.dimension:
            raise damaged(run.embeddings(other.partition_id), "its vectors are of another length")
    return found


def _starting(matrices: Sequence[StoredEmbeddings]) -> Iterator[tuple[int, StoredEmbeddings]]:
    start = 0
    for one in matrices:
        yield start, one
        start += one.rows

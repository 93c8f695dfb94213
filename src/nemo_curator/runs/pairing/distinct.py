"""The different hashes and embeddings of a run, and which image is the first that has each."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from nemo_curator import storage
from nemo_curator.kernels.hamming import Hashes
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.parts import damaged, read_part
from nemo_curator.runs.stored_embeddings import StoredEmbeddings, stored_embeddings

PDQ, TURNED_PDQ = "pdq", "pdq_turned"
"""The columns of the hashes: one, and seven of them in a row, in hex."""

_DIGITS = 64  # hex digits of one hash
_ROWS = 4_096  # embeddings that are read at a time

Ints = npt.NDArray[np.int64]
Some = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Distinct:
    """Different values, and the images that have them.

    Attributes:
        first: `(M,)` position of the first image that has each value; ascending.
        equal_to: `(K,)` position of the first image that has the value of `others`.
        others: `(K,)` positions of the images that are not the first that have theirs.
    """

    first: Ints
    equal_to: Ints
    others: Ints

    @property
    def images(self) -> int:
        """How many images have a value."""
        return len(self.first) + len(self.others)


def distinct_hashes(
    run: RunDirectory, partition_ids: Sequence[str], *, turned: bool, only: Some | None = None
) -> tuple[Distinct, Hashes]:
    """The different PDQ hashes of the readable images of a run; those that say nothing (zeros) are left out.

    Args:
        run: The run.
        partition_ids: Its partitions, in source order.
        turned: Whether the hashes of the turns count too: then two images are equal where all eight hashes are.
        only: `(records,)`, which images count; all by default.

    Returns:
        What is different, and the hashes: `(M, 32)`, or `(M, 8, 32)` with the turns, the upright one first.

    Raises:
        InputError: A part is missing or damaged.
    """
    columns = [PDQ, TURNED_PDQ] if turned else [PDQ]
    places, found = [np.empty(0, np.int64)], [np.empty((0, 32 * (8 if turned else 1)), np.uint8)]
    start = 0
    for partition_id in partition_ids:
        table = read_part(run, partition_id, [*columns, "error"])
        rows = np.concatenate(
            [_bytes_of(table, name, digits) for name, digits in zip(columns, (_DIGITS, 7 * _DIGITS), strict=False)],
            axis=1,
        )
        good = rows[:, :32].any(axis=1) & pc.is_null(table["error"]).to_numpy()
        hit = np.flatnonzero(good if only is None else good & only[start : start + table.num_rows])
        places.append(hit + start)
        found.append(rows[hit])
        start += table.num_rows
    hashes = np.concatenate(found)
    distinct, rows = _distinct(np.concatenate(places), hashes)
    return distinct, hashes[rows].reshape(-1, 8, 32) if turned else hashes[rows]


def distinct_embeddings(
    run: RunDirectory, partition_ids: Sequence[str], folder: str, only: Some | None = None
) -> tuple[Distinct, npt.NDArray[np.float16]]:
    """The different embeddings of the readable images of a run; those without a direction are left out.

    Args:
        run: The run.
        partition_ids: Its partitions, in source order.
        folder: A folder for a temporary file.
        only: `(records,)`, which images count; all by default.

    Returns:
        What is different, and the embeddings: `(M, D)`, mapped from the temporary file.

    Raises:
        InputError: A part or embeddings are missing or damaged.
        StorageError: There is no room for the file.
    """
    places, found = [np.empty(0, np.int64)], [np.empty((0, 16), np.uint8)]
    for start, _, block in _blocks(run, partition_ids):
        # in single precision no sum of squares of half-precision numbers is too large
        lengths = np.square(block.astype(np.float32)).sum(axis=1)
        good = np.isfinite(lengths) & (lengths > 0)
        hit = np.flatnonzero(good if only is None else good & only[start])
        digests = b"".join(hashlib.blake2b(row, digest_size=16).digest() for row in np.ascontiguousarray(block[hit]))
        places.append(start[hit])
        found.append(np.frombuffer(digests, np.uint8).reshape(-1, 16))
    distinct, _ = _distinct(np.concatenate(places), np.concatenate(found))
    return distinct, _gathered(run, partition_ids, distinct.first, folder)


def _gathered(run: RunDirectory, partition_ids: Sequence[str], positions: Ints, folder: str) -> npt.NDArray[np.float16]:
    """The embeddings of some images, one below the other in a file of their own."""
    if not len(positions):
        return np.empty((0, 1), np.float16)
    path = storage.join(folder, "rows.bin")
    dimension = 0
    try:
        with open(path, "wb") as file:  # noqa: PTH123 (a temporary file of our own, below a path that is plain text)
            for start, stored, block in _blocks(run, partition_ids):
                if dimension not in {0, stored.dimension}:
                    raise damaged(run.embeddings(stored.partition_id), "its vectors are of another length")
                dimension = stored.dimension
                # both ascend, so only those of this block are looked at
                wanted = positions[slice(*np.searchsorted(positions, [start[0], start[-1] + 1]))]
                file.write(np.ascontiguousarray(block[np.searchsorted(start, wanted)]).tobytes())
    except OSError as error:
        raise storage.storage_error(path, error) from error
    return np.memmap(path, np.float16, "r", shape=(len(positions), dimension))


def _blocks(
    run: RunDirectory, partition_ids: Sequence[str]
) -> Iterator[tuple[Ints, StoredEmbeddings, npt.NDArray[np.float16]]]:
    """Embeddings some at a time, with the positions of their images."""
    start = 0
    for partition_id in partition_ids:
        errors = read_part(run, partition_id, ["error"])["error"]
        readable = np.flatnonzero(pc.is_null(errors).to_numpy()) + start
        start += len(errors)
        stored = stored_embeddings(run, partition_id)
        if len(readable) != (stored.rows if stored else 0):
            raise damaged(run.embeddings(partition_id), "it is not of the images that its part has")
        for low in range(0, stored.rows if stored else 0, _ROWS):
            if stored is not None:
                high = min(stored.rows, low + _ROWS)
                yield readable[low:high], stored, stored.matrix(low, high)


def _distinct(positions: Ints, values: npt.NDArray[np.uint8]) -> tuple[Distinct, Ints]:
    """Images by their values, and the rows of the first of each.

    Args:
        positions: `(N,)`, ascending.
        values: `(N, B)`, B a multiple of 8.
    """
    words = values.view(np.uint64) if len(values) else np.empty((0, 1), np.uint64)
    order = np.lexsort(words.T)  # it is stable, so the first of equal ones stays the first
    new = np.ones(len(order), np.bool_)
    if len(order):
        new[1:] = (words[order[1:]] != words[order[:-1]]).any(axis=1)
    first = order[new]
    leader = np.empty(len(order), np.int64)
    leader[order] = first[np.cumsum(new) - 1]
    others = np.flatnonzero(leader != np.arange(len(order)))
    rows = np.sort(first)
    return Distinct(positions[rows], positions[leader[others]], positions[others]), rows


def _bytes_of(table: pa.Table, column: str, digits: int) -> npt.NDArray[np.uint8]:
    """`(N, digits / 2)` bytes of a column of hex; zeros where it is missing, NULL or no such hex."""
    rows = np.zeros((table.num_rows, digits // 2), np.uint8)
    if column not in table.schema.names:
        return rows
    values: Any = table[column].combine_chunks()
    right = pc.fill_null(pc.equal(pc.binary_length(values), pa.scalar(digits)), pa.scalar(False))
    hit = np.flatnonzero(right.to_numpy(zero_copy_only=False))
    text: Any = values.filter(right).cast(pa.binary()).cast(pa.binary(digits))
    plain = np.frombuffer(text.buffers()[1] or b"", np.uint8, digits * len(text), digits * text.offset)
    nibbles = _NIBBLES[plain.reshape(-1, digits)]
    good = (nibbles < 16).all(axis=1)
    rows[hit[good]] = nibbles[good, ::2] << 4 | nibbles[good, 1::2]
    return rows


_NIBBLES = np.full(256, 255, np.uint8)
for _value, _digit in enumerate("0123456789abcdef"):
    _NIBBLES[ord(_digit)] = _NIBBLES[ord(_digit.upper())] = _value

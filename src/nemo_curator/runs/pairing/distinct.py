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

from nemo_curator.kernels.hamming import Hashes
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.parts import damaged, read_part
from nemo_curator.runs.stored_embeddings import Half, stored_embeddings

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


class Counted:
    """Of different values the images that count, and those of them that stand in a pair.

    Args:
        distinct: The values.
        some: `(records,)`, which images count; all of them by default.

    Attributes:
        images: How many images that count have a value.
        values: How many different ones these have.
    """

    def __init__(self, distinct: Distinct, some: Some | None = None) -> None:
        rows = np.searchsorted(distinct.first, distinct.equal_to)
        self._first, others = np.array(distinct.first), distinct.others
        if some is not None:
            here = some[others]
            rows, others = rows[here], others[here]
            self._first[~some[self._first]] = -1
            lost = self._first[rows] < 0
            # of those that are left the first one stands for all: written last, it stays
            self._first[rows[lost][::-1]] = others[lost][::-1]
        self._rows, self._others = rows, others
        self._paired = np.zeros(len(self._first), np.bool_)
        self.values = int((self._first >= 0).sum())
        rest = self._first[rows] != others
        self._rows, self._others = rows[rest], others[rest]
        self.images = self.values + len(self._others)

    def stands(self, rows: Ints) -> Some:
        """Whether any image of each value counts.

        Args:
            rows: `(K,)` numbers of values.
        """
        counts: Some = self._first[rows] >= 0
        return counts

    def stand(self, rows: Ints) -> Ints:
        """The first image of each value that counts; it is noted that this value is in a pair.

        Args:
            rows: `(K,)` numbers of values of which an image counts.

        Returns:
            `(K,)` positions.
        """
        self._paired[rows] = True
        return self._first[rows]

    def equal(self) -> tuple[Ints, Ints]:
        """Of values in a pair the images beside the first: `(K,)` positions of that first, and `(K,)` of the others."""
        hit = self._paired[self._rows]
        return self._first[self._rows[hit]], self._others[hit]


def distinct_hashes(run: RunDirectory, partition_ids: Sequence[str], *, turned: bool) -> tuple[Distinct, Hashes]:
    """The different PDQ hashes of the readable images of a run; those that say nothing (zeros) are left out.

    Args:
        run: The run.
        partition_ids: Its partitions, in source order.
        turned: Whether the hashes of the turns count too: then two images are equal where all eight hashes are.

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
        hit = np.flatnonzero(rows[:, :32].any(axis=1) & pc.is_null(table["error"]).to_numpy())
        places.append(hit + start)
        found.append(rows[hit])
        start += table.num_rows
    hashes = np.concatenate(found)
    distinct, rows = _distinct(np.concatenate(places), hashes)
    return distinct, hashes[rows].reshape(-1, 8, 32) if turned else hashes[rows]


def distinct_embeddings(run: RunDirectory, partition_ids: Sequence[str]) -> tuple[Distinct, Ints]:
    """The different embeddings of the readable images of a run; those without a direction are left out.

    Args:
        run: The run.
        partition_ids: Its partitions, in source order.

    Returns:
        What is different, and `(M,)` which row each is of all embeddings of the run, ascending.

    Raises:
        InputError: A part or embeddings are missing or damaged.
    """
    places, numbers = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    found, start = [np.empty((0, 16), np.uint8)], 0
    for positions, block in _placed(run, partition_ids):
        # in single precision no sum of squares of half-precision numbers is too large
        lengths = np.square(block.astype(np.float32)).sum(axis=1)
        hit = np.flatnonzero(np.isfinite(lengths) & (lengths > 0))
        digests = b"".join(hashlib.blake2b(row, digest_size=16).digest() for row in np.ascontiguousarray(block[hit]))
        places.append(positions[hit])
        numbers.append(hit + start)
        found.append(np.frombuffer(digests, np.uint8).reshape(-1, 16))
        start += len(block)
    distinct, rows = _distinct(np.concatenate(places), np.concatenate(found))
    return distinct, np.concatenate(numbers)[rows]


def _placed(run: RunDirectory, partition_ids: Sequence[str]) -> Iterator[tuple[Ints, Half]]:
    """Embeddings some at a time, with the positions of their images."""
    start = 0
    for partition_id in partition_ids:
        errors = read_part(run, partition_id, ["error"])["error"]
        readable = np.flatnonzero(pc.is_null(errors).to_numpy()) + start
        start += len(errors)
        stored = stored_embeddings(run, partition_id)
        if len(readable) != (stored.rows if stored else 0):
            raise damaged(run.embeddings(partition_id), "it is not of the images that its part has")
        if stored is not None:
            for low in range(0, stored.rows, _ROWS):
                high = min(stored.rows, low + _ROWS)
                yield readable[low:high], stored.matrix(low, high)


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

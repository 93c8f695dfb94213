"""The stored embeddings of a run, ranked by how near they are to a query: exact, and a piece at a time.

The thread that asks walks over the partitions, reads verdicts and ids, and keeps the best. Threads of a pool look at
one piece of a matrix each and own nothing else. What they are told of the best so far may be old, and then they find
more than is needed; the answer is the same.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from nemo_curator import storage
from nemo_curator.kernels.nearest import Nearest, nearest
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.parts import damaged, part_facts
from nemo_curator.runs.readable_verdicts import ReadableVerdicts
from nemo_curator.runs.stored_embeddings import StoredEmbeddings, stored_embeddings

_PIECE = 32_000_000  # bytes that a thread takes at once
_AHEAD = 3  # pieces in work or waiting, for each thread

Query = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Found:
    """One image among the nearest.

    Attributes:
        cosine: Of its stored embedding to the query, -1 to 1.
        image_id: Its id.
        partition_id: Its partition.
        place: Its place among all readable images of the run, in source order.
    """

    cosine: float
    image_id: str
    partition_id: str
    place: int


@dataclass(slots=True)
class Ranking:
    """The answer to a query.

    Attributes:
        found: The nearest images, nearest first; ties by `image_id`.
        searched: Embeddings that were looked at.
        left_out: Ids of the partitions without embeddings of the plan: not scored yet, scored in another way, damaged.
    """

    found: list[Found] = field(default_factory=list)
    searched: int = 0
    left_out: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Target:
    """What is ranked.

    Attributes:
        run: The run.
        partition_ids: Its partitions, in source order.
        fingerprint: Of the embeddings that count.
        verdict: The verdict that an image must have; "" for any.
    """

    run: RunDirectory
    partition_ids: Sequence[str]
    fingerprint: str
    verdict: str = ""


@dataclass(frozen=True, slots=True)
class _Piece:
    stored: StoredEmbeddings
    start: int
    stop: int
    place: int
    allowed: npt.NDArray[np.bool_] | None


def rank(
    target: Target,
    query: Query,
    *,
    count: int,
    threads: int = 1,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> Ranking:
    """The images whose stored embeddings are nearest to a query.

    The result depends on the stored numbers and the query alone, to the last bit, whatever the number of threads.

    Args:
        target: What is ranked.
        query: `(D,)` float32, finite and not all zeros.
        count: How many are wanted at most.
        threads: Threads that look.
        progress: Called with (partitions that were begun, of how many).

    Raises:
        InputError: Embeddings are of another length than the query, or are damaged.
        IncompleteRunError: A verdict is asked for, and the decisions are not those of the embeddings.
    """
    best = _Best(count)
    waiting: deque[tuple[_Piece, Future[Nearest]]] = deque()
    with ThreadPoolExecutor(threads, "ranking") as pool:
        for piece in _pieces(target, len(query), best.ranking, progress):
            if len(waiting) >= _AHEAD * threads:
                best.take(*waiting.popleft())
            waiting.append((piece, pool.submit(_look, piece, query, best)))
        while waiting:
            best.take(*waiting.popleft())
    return best.ranking


class _Best:
    """The nearest so far."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.least = -np.inf
        self.ranking = Ranking()
        self._of: StoredEmbeddings | None = None
        self._ids: pa.Array[Any] = pa.array([], pa.string())

    def take(self, piece: _Piece, future: Future[Nearest]) -> None:
        """What was found in a piece; ids are read only where something may be among the best."""
        found = future.result()
        good = found.cosines >= self.least
        rows, cosines = found.rows[good], found.cosines[good]
        self.ranking.searched += piece.stop - piece.start if piece.allowed is None else int(piece.allowed.sum())
        if not len(rows):
            return
        if self._of is not piece.stored:  # the pieces of a partition follow one another
            self._of, self._ids = piece.stored, piece.stored.ids()
        names = self._ids.take(rows + piece.start).to_pylist()
        new = [
            Found(float(cosine), str(name), piece.stored.partition_id, piece.place + int(row))
            for cosine, name, row in zip(cosines, names, rows, strict=True)
        ]
        self.ranking.found = heapq.nsmallest(self.count, [*self.ranking.found, *new], key=_order)
        if len(self.ranking.found) == self.count:
            self.least = self.ranking.found[-1].cosine


def _order(found: Found) -> tuple[float, str, int]:
    return -found.cosine, found.image_id, found.place


def _look(piece: _Piece, query: Query, best: _Best) -> Nearest:
    return nearest(piece.stored.matrix(piece.start, piece.stop), query, best.count, best.least, piece.allowed)


def _pieces(target: Target, dimension: int, ranking: Ranking, progress: Callable[[int, int], None]) -> Iterator[_Piece]:
    """All embeddings that count, in source order; what is left out is noted."""
    verdicts = ReadableVerdicts(target.run) if target.verdict else None
    place = 0
    for begun, partition_id in enumerate(target.partition_ids, 1):
        progress(begun, len(target.partition_ids))
        stored = stored_embeddings(target.run, partition_id)
        if (
            stored is None
            or stored.fingerprint != target.fingerprint
            or not storage.exists(target.run.part(partition_id))
        ):
            facts = part_facts(target.run, partition_id)
            readable = 0 if facts is None else facts.readable
            if facts is None or readable:
                ranking.left_out.append(partition_id)
            if verdicts is not None:
                verdicts.take(readable)
            place += readable
            continue
        if stored.dimension != dimension:
            cause = f"its vectors have {stored.dimension:,} numbers, and the query has {dimension:,}"
            raise damaged(target.run.embeddings(partition_id), cause)
        allowed = None if verdicts is None else verdicts.take(stored.rows, target.verdict)
        step = max(1, _PIECE // (2 * max(1, dimension)))
        for start in range(0, stored.rows, step):
            stop = min(stored.rows, start + step)
            yield _Piece(stored, start, stop, place + start, None if allowed is None else allowed[start:stop])
        place += stored.rows

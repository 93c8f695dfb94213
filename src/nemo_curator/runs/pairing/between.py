"""Pairs of an image of a run and one of elsewhere, searched for once: neither side is searched within itself.

The images of elsewhere are numbered behind those of the run, so that a file of such pairs is like any other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nemo_curator import storage
from nemo_curator.kernels.pair_cosines import pair_cosines
from nemo_curator.runs.deciding.scratch import scratch_folder
from nemo_curator.runs.elsewhere import OtherSet
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.pairing.distinct import Distinct, distinct_embeddings, distinct_hashes
from nemo_curator.runs.pairing.pair_file import SIMILAR, TURNED, PairFacts, PairFile, open_pairs
from nemo_curator.runs.pairing.pair_writer import pair_table
from nemo_curator.runs.pairing.searches import SEARCHES, Search, Searches
from nemo_curator.runs.pairing.store import MOST_PAIRS, Began, Wanted, inputs_of, records_of, too_many

_Rows = npt.NDArray[np.int64]
_Apart = Callable[[_Rows, _Rows], npt.NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class _Sides:
    """The two sides of a search.

    Attributes:
        run: The run.
        partition_ids: Its partitions.
        records: How many records it has.
        other: The set of elsewhere.
    """

    run: RunDirectory
    partition_ids: Sequence[str]
    records: int
    other: OtherSet


def find_pairs_between(
    run: RunDirectory,
    partition_ids: Sequence[str],
    others: Sequence[OtherSet],
    wanted: Sequence[Wanted],
    *,
    folder: str | None = None,
    began: Began = lambda *_: lambda _: None,
    searches: Searches = SEARCHES,
    most: int = MOST_PAIRS,
) -> dict[str, dict[str, PairFile]]:
    """Make sure that the pairs of a run and of sets elsewhere are there; what is there is not searched for again.

    Args:
        run: The run.
        partition_ids: Its partitions, in source order; all must be done.
        others: The sets; their columns must be computed as the run's are.
        wanted: What is needed.
        folder: Where to put what is not there; the run's own folder by default.
        began: Told of every search.
        searches: How to search.
        most: Pairs of one kind and set at most.

    Returns:
        Key of a set to kind to its file, in which images of the set are numbered behind those of the run.

    Raises:
        InputError: A part, embeddings or decisions are missing or damaged.
        RecipeError: There are more pairs than `most`.
        StorageError: A file cannot be written.
    """
    if not (others and wanted):
        return {}
    mine = records_of(run, partition_ids)
    found: dict[str, dict[str, PairFile]] = {}
    for other in others:
        theirs = f"{mine.digest} {records_of(other.run, other.partition_ids).digest} {other.digest()}"
        sides = _Sides(run, partition_ids, mine.rows, other)
        found[other.key] = {}
        for one in wanted:
            inputs, name = inputs_of(one.columns, theirs), f"{one.kind}-{other.key}.parquet"
            there = open_pairs(storage.join(run.pairs_folder, name))
            if there is None or there.facts.inputs != inputs or there.facts.radius < one.radius:
                facts = PairFacts(one.kind, float(one.radius), inputs, 0, 0, 0, other=other.key)
                url = storage.join(folder or run.pairs_folder, name)
                there = _searched(sides, one, facts, url, began, searches, most)
            found[other.key][one.kind] = there
    return found


def _searched(
    sides: _Sides, wanted: Wanted, facts: PairFacts, url: str, began: Began, searches: Searches, most: int
) -> PairFile:
    with scratch_folder() as one, scratch_folder() as two, pair_table() as table:
        left, right, search, apart = _begun(sides, facts, (one, two), began, searches)
        for rows, others, found in search.blocks:
            distance = found if apart is None else apart(rows, others)
            near = distance <= facts.radius  # NaN is not
            table.add(left.first[rows[near]], right.first[others[near]] + sides.records, distance[near])
            if table.added > most and facts.kind == TURNED:
                table.unite()  # one pair is found up to sixteen times
            if table.added > most:
                raise too_many(wanted, facts.radius, most)
        if facts.kind == TURNED:
            table.unite()
        table.add_equal(left.equal_to, left.others)
        table.add_equal(right.equal_to + sides.records, right.others + sides.records)
        numbers = (left.images + right.images, len(left.first) + len(right.first), table.added)
        whole = PairFacts(
            facts.kind, facts.radius, facts.inputs, *numbers, search.exact, search.recall, sides.other.key
        )
        table.write(url, whole)
    return PairFile(url, whole)


def _begun(
    sides: _Sides, facts: PairFacts, folders: tuple[str, str], began: Began, searches: Searches
) -> tuple[Distinct, Distinct, Search, _Apart | None]:
    """What is different on each side, the search between them, and how to compute distances anew."""
    run, ids, other = sides.run, sides.partition_ids, sides.other
    if facts.kind == SIMILAR:
        left, rows = distinct_embeddings(run, ids, folders[0])
        right, others = distinct_embeddings(other.run, other.partition_ids, folders[1], other.counted)
        tell = began(facts.kind, min(len(rows), len(others)))
        search = searches.similar_between(rows, others, facts.radius, tell)
        return left, right, search, lambda one, two: 1.0 - pair_cosines(rows, one, two, others)
    turned = facts.kind == TURNED
    left, hashes = distinct_hashes(run, ids, turned=turned)
    right, listed = distinct_hashes(other.run, other.partition_ids, turned=turned, only=other.counted)
    between = searches.turned_between if turned else searches.copies_between
    tell = began(facts.kind, min(len(hashes), len(listed)))
    return left, right, between(hashes, listed, int(facts.radius), tell), None

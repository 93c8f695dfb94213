"""Pairs of an image of a run and one of elsewhere, searched for once: neither side is searched within itself.

The images of elsewhere are numbered behind those of the run, so that a file of such pairs is like any other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from nemo_curator import storage
from nemo_curator.kernels.pair_cosines import pair_cosines
from nemo_curator.runs.deciding.scratch import scratch_folder
from nemo_curator.runs.elsewhere import OtherSet
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.pairing.distinct import Counted, Some, distinct_hashes
from nemo_curator.runs.pairing.pair_file import SIMILAR, TURNED, PairFacts, PairFile, open_pairs
from nemo_curator.runs.pairing.pair_writer import pair_table
from nemo_curator.runs.pairing.searches import SEARCHES, InCells, Search, Searches
from nemo_curator.runs.pairing.sides import embedded, hashed
from nemo_curator.runs.pairing.store import MOST_PAIRS, Began, Wanted, inputs_of, too_many
from nemo_curator.runs.records import digest_of, records_of

_Rows = npt.NDArray[np.int64]
_Apart = Callable[[_Rows, _Rows], npt.NDArray[np.float64]]


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
        found[other.key] = {}
        for one in wanted:
            ours = digest_of(run, partition_ids, mine, one.columns)
            theirs = digest_of(other.run, other.partition_ids, other.records, one.columns)
            inputs = inputs_of(one.columns, f"{ours} {theirs} {other.digest()}")
            name = f"{one.kind}-{other.key}.parquet"
            there = open_pairs(storage.join(run.pairs_folder, name))
            if there is None or there.facts.inputs != inputs or there.facts.radius < one.radius:
                facts = PairFacts(one.kind, float(one.radius), inputs, 0, 0, 0, other=other.key)
                url = storage.join(folder or run.pairs_folder, name)
                sides = (
                    _Side(run, partition_ids, inputs_of(one.columns, ours)),
                    _Side(other.run, other.partition_ids, inputs_of(one.columns, theirs), other.counted),
                )
                there = _searched(sides, mine.rows, one, facts, url, began, searches, most)
            found[other.key][one.kind] = there
    return found


@dataclass(frozen=True, slots=True)
class _Side:
    """One side of a search.

    Attributes:
        run: The run.
        partition_ids: Its partitions.
        inputs: Fingerprint of what is searched there.
        some: Which of its records count; all by default.
    """

    run: RunDirectory
    partition_ids: Sequence[str]
    inputs: str
    some: Some | None = None


def _searched(
    sides: tuple[_Side, _Side],
    records: int,
    wanted: Wanted,
    facts: PairFacts,
    url: str,
    began: Began,
    searches: Searches,
    most: int,
) -> PairFile:
    """Search, and write what is found; the images of the other side are numbered from `records` on."""
    with scratch_folder() as one, scratch_folder() as two, pair_table() as table:
        left, right, search, apart = _begun(sides, facts, (one, two), began, searches)
        for rows, others, found in search.blocks:
            counts = right.stands(others)
            rows, others = rows[counts], others[counts]  # noqa: PLW2901 (the others are not looked at again)
            distance = found[counts] if apart is None else apart(rows, others)
            near = distance <= facts.radius  # NaN is not
            table.add(left.stand(rows[near]), right.stand(others[near]) + records, distance[near])
            if table.added > most and facts.kind == TURNED:
                table.unite()  # one pair is found up to sixteen times
            if table.added > most:
                raise too_many(wanted, facts.radius, most)
        if facts.kind == TURNED:
            table.unite()
        for side, start in ((left, 0), (right, records)):
            first, equal = side.equal()
            table.add_equal(first + start, equal + start)
        numbers = (left.images + right.images, left.values + right.values, table.added)
        whole = PairFacts(facts.kind, facts.radius, facts.inputs, *numbers, search.exact, search.recall, facts.other)
        table.write(url, whole)
    return PairFile(url, whole)


def _begun(
    sides: tuple[_Side, _Side], facts: PairFacts, folders: tuple[str, str], began: Began, searches: Searches
) -> tuple[Counted, Counted, Search, _Apart | None]:
    """The images of each side, the search between them, and how to compute distances anew."""
    apart: _Apart | None = None
    if facts.kind == SIMILAR:
        left, right = (
            embedded(side.run, side.partition_ids, side.inputs, folder)
            for side, folder in zip(sides, folders, strict=True)
        )
        rows, others = InCells(left.rows, left.cells), InCells(right.rows, right.cells)
        start = partial(searches.similar_between, rows, others, facts.radius)
        apart = lambda at, of: 1.0 - pair_cosines(left.rows, at, of, right.rows)  # noqa: E731 (one of a few ways)
        distinct = (left.distinct, right.distinct)
    elif facts.kind == TURNED:
        mine, theirs = (distinct_hashes(side.run, side.partition_ids, turned=True) for side in sides)
        start = partial(searches.turned_between, mine[1], theirs[1], int(facts.radius))
        distinct = (mine[0], theirs[0])
    else:
        few, many = (hashed(side.run, side.partition_ids, side.inputs) for side in sides)
        start = partial(searches.copies_between, few.index, many.index, int(facts.radius))
        distinct = (few.distinct, many.distinct)
    counted = (Counted(distinct[0], sides[0].some), Counted(distinct[1], sides[1].some))
    if not all(side.values for side in counted):
        return *counted, Search(iter(())), apart
    return *counted, start(began(facts.kind, min(len(one.first) for one in distinct))), apart

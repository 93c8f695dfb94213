"""Pairs of a run, searched for once: what is there is used for every smaller radius."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from nemo_curator import storage
from nemo_curator.errors import RecipeError, StorageError
from nemo_curator.kernels.hamming import HammingIndex
from nemo_curator.kernels.pair_cosines import pair_cosines
from nemo_curator.kernels.rows import Rows
from nemo_curator.runs.deciding.scratch import scratch_folder
from nemo_curator.runs.fingerprints import fingerprint
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.pairing.distinct import Distinct, distinct_embeddings, distinct_hashes
from nemo_curator.runs.pairing.pair_file import SIMILAR, TURNED, PairFacts, PairFile, open_pairs
from nemo_curator.runs.pairing.pair_writer import pair_table
from nemo_curator.runs.pairing.searches import SEARCHES, Search, Searches, Tell
from nemo_curator.runs.pairing.sides import WORTH_STORING, Embedded, Hashed
from nemo_curator.runs.pairing.vectors import gathered_vectors
from nemo_curator.runs.records import digest_of, records_of

MOST_PAIRS = 200_000_000
"""Pairs of one kind at most: what is near in more pairs is no data set with copies, but a radius that is too large."""

_VERSION = 2  # another one where a search finds other pairs of equal inputs

Began = Callable[[str, int], Tell]
"""Told that a search begins, of which kind and among how many; gives what is told of progress."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Pairs that a decision needs.

    Attributes:
        kind: `copies`, `turned` or `similar`.
        radius: Distance up to which they are needed: bits, or 1 - cosine.
        columns: Column (or `embedding`) to fingerprint, of what they are found by.
        where: The key of the recipe that says the radius, for errors.
    """

    kind: str
    radius: float
    columns: Mapping[str, str]
    where: str = ""


def find_pairs(
    run: RunDirectory,
    partition_ids: Sequence[str],
    wanted: Sequence[Wanted],
    *,
    folder: str | None = None,
    began: Began = lambda *_: lambda _: None,
    searches: Searches = SEARCHES,
    most: int = MOST_PAIRS,
    worth_storing: int = WORTH_STORING,
) -> dict[str, PairFile]:
    """Make sure that the pairs which a decision needs are there; what is there already is not searched for again.

    Args:
        run: The run.
        partition_ids: Its partitions, in source order; all must be done.
        wanted: What is needed.
        folder: Where to put what is not there; the run's own folder by default.
        began: Told of every search.
        searches: How to search.
        most: Pairs of one kind at most.
        worth_storing: Records from which on what a search has sorted is stored in the run.

    Returns:
        Kind to its file.

    Raises:
        InputError: A part or embeddings are missing or damaged.
        RecipeError: There are more pairs than `most`.
        StorageError: A file cannot be written.
    """
    if not wanted:
        return {}
    records = records_of(run, partition_ids)
    storing = folder is None and records.rows >= worth_storing
    found = {}
    for one in wanted:
        inputs = inputs_of(one.columns, digest_of(run, partition_ids, records, one.columns))
        there = open_pairs(_place(run, one.kind))
        if there is None or there.facts.inputs != inputs or there.facts.radius < one.radius:
            url = _place(run, one.kind, folder)
            facts = PairFacts(one.kind, float(one.radius), inputs, 0, 0, 0)
            there = _search(run, partition_ids, one, facts, (url, storing), began, searches, most)
        found[one.kind] = there
    return found


def current_pairs(
    run: RunDirectory, partition_ids: Sequence[str], columns: Mapping[str, Mapping[str, str]]
) -> dict[str, PairFile]:
    """The files of pairs of a run that are of its images and scores as they are now.

    Args:
        run: The run.
        partition_ids: Its partitions, in source order.
        columns: Kind to the columns that its pairs are found by, with their fingerprints.
    """
    records = records_of(run, partition_ids)
    found = {}
    for kind, marks in columns.items():
        file = open_pairs(_place(run, kind))
        if file and file.facts.inputs == inputs_of(marks, digest_of(run, partition_ids, records, marks)):
            found[kind] = file
    return found


def _place(run: RunDirectory, kind: str, folder: str | None = None) -> str:
    return storage.join(folder or run.pairs_folder, f"{kind}.parquet")


def inputs_of(columns: Mapping[str, str], records: str) -> str:
    """The fingerprint of what is searched.

    Args:
        columns: Column to fingerprint, of what pairs are found by.
        records: What `digest_of` gives; of both sides, where there are two.
    """
    return fingerprint({"version": _VERSION, "columns": dict(columns), "records": records})


@dataclass(frozen=True, slots=True)
class _Begun:
    """A search within a run that is under way.

    Attributes:
        distinct: What is different.
        search: The search among it.
        rows: Rows to compute distances of anew; None where those that are found are exact.
        side: What it has sorted, to be stored; None where nothing of it is of use later.
    """

    distinct: Distinct
    search: Search
    rows: Rows | None = None
    side: Hashed | Embedded | None = None


def _search(
    run: RunDirectory,
    partition_ids: Sequence[str],
    wanted: Wanted,
    facts: PairFacts,
    places: tuple[str, bool],
    began: Began,
    searches: Searches,
    most: int,
) -> PairFile:
    """Search, and write what is found; `places` is where to, and whether what was sorted is stored in the run."""
    url, storing = places
    with scratch_folder() as folder, pair_table() as table:
        begun = _begun(run, partition_ids, facts, folder, began, searches)
        distinct, search = begun.distinct, begun.search
        for left, right, found in search.blocks:
            distance = found if begun.rows is None else 1.0 - pair_cosines(begun.rows, left, right)
            near = distance <= facts.radius  # NaN is not
            table.add(distinct.first[left[near]], distinct.first[right[near]], distance[near])
            if table.added > most and facts.kind == TURNED:
                table.unite()  # one pair is found up to sixteen times
            if table.added > most:
                raise too_many(wanted, facts.radius, most)
        if facts.kind == TURNED:
            table.unite()
        table.add_equal(distinct.equal_to, distinct.others)
        if storing and begun.side:
            with suppress(StorageError):  # it would only save time later; the pairs are what was asked for
                begun.side.store(run, facts.inputs)
        numbers = (distinct.images, len(distinct.first), table.added)
        whole = PairFacts(facts.kind, facts.radius, facts.inputs, *numbers, search.exact, search.recall)
        table.write(url, whole)
    return PairFile(url, whole)


def _begun(
    run: RunDirectory,
    partition_ids: Sequence[str],
    facts: PairFacts,
    folder: str,
    began: Began,
    searches: Searches,
) -> _Begun:
    if facts.kind == SIMILAR:
        distinct, numbers = distinct_embeddings(run, partition_ids)
        rows = gathered_vectors(run, partition_ids, numbers, folder)
        search = searches.similar(rows, facts.radius, began(facts.kind, len(rows)))
        return _Begun(distinct, search, rows, Embedded(distinct, numbers, rows, search.cells))
    distinct, hashes = distinct_hashes(run, partition_ids, turned=facts.kind == TURNED)
    tell = began(facts.kind, len(hashes))
    if facts.kind == TURNED:
        return _Begun(distinct, searches.turned(hashes, int(facts.radius), tell))
    index = Hashed(distinct, HammingIndex(hashes))
    return _Begun(distinct, searches.copies(hashes, int(facts.radius), tell), side=index)


def too_many(wanted: Wanted, radius: float, most: int) -> RecipeError:
    """What to say where a radius takes too many images for alike."""
    return RecipeError(
        f"more than {most:,} pairs of images are within {radius:g} of each other",
        where=wanted.where,
        cause="that is too many to be copies; the radius takes images for alike that are not",
        act="lower the radius there",
    )

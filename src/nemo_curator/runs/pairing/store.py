"""Pairs of a run, searched for once: what is there is used for every smaller radius."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from nemo_curator import storage
from nemo_curator.errors import RecipeError
from nemo_curator.kernels.pair_cosines import pair_cosines
from nemo_curator.runs.deciding.scratch import scratch_folder
from nemo_curator.runs.fingerprints import fingerprint
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.pairing.distinct import Distinct, distinct_embeddings, distinct_hashes
from nemo_curator.runs.pairing.pair_file import SIMILAR, TURNED, PairFacts, PairFile, open_pairs
from nemo_curator.runs.pairing.pair_writer import pair_table
from nemo_curator.runs.pairing.searches import SEARCHES, Search, Searches, Tell
from nemo_curator.runs.parts import read_part

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

    Returns:
        Kind to its file.

    Raises:
        InputError: A part or embeddings are missing or damaged.
        RecipeError: There are more pairs than `most`.
        StorageError: A file cannot be written.
    """
    if not wanted:
        return {}
    records = records_of(run, partition_ids).digest
    found = {}
    for one in wanted:
        inputs = inputs_of(one.columns, records)
        there = open_pairs(_place(run, one.kind))
        if there is None or there.facts.inputs != inputs or there.facts.radius < one.radius:
            url = _place(run, one.kind, folder)
            facts = PairFacts(one.kind, float(one.radius), inputs, 0, 0, 0)
            there = _search(run, partition_ids, one, facts, url, began, searches, most)
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
    records = records_of(run, partition_ids).digest
    files = {kind: open_pairs(_place(run, kind)) for kind in columns}
    return {
        kind: file for kind, file in files.items() if file and file.facts.inputs == inputs_of(columns[kind], records)
    }


def _place(run: RunDirectory, kind: str, folder: str | None = None) -> str:
    return storage.join(folder or run.pairs_folder, f"{kind}.parquet")


def inputs_of(columns: Mapping[str, str], records: str) -> str:
    """The fingerprint of what is searched.

    Args:
        columns: Column to fingerprint, of what pairs are found by.
        records: The digest of `records_of`; of both sides, where there are two.
    """
    return fingerprint({"version": _VERSION, "columns": dict(columns), "records": records})


class Records(NamedTuple):
    """Which records a run has.

    Attributes:
        rows: How many.
        digest: A hash of them by their bytes; with a column's fingerprint all that its values depend on.
    """

    rows: int
    digest: str


def records_of(run: RunDirectory, partition_ids: Sequence[str]) -> Records:
    """The records of a run.

    Raises:
        InputError: A part is missing or damaged.
    """
    digest, count = hashlib.sha256(), 0
    for partition_id in partition_ids:
        table = read_part(run, partition_id, ["sha256", "error"])
        hashes, errors = table["sha256"].to_pylist(), table["error"].to_pylist()
        rows = [str(one) if error is None else "!" for one, error in zip(hashes, errors, strict=True)]
        digest.update(f"{partition_id} {len(rows)}\n".encode())
        digest.update("\n".join(rows).encode())
        count += len(rows)
    return Records(count, digest.hexdigest())


def _search(
    run: RunDirectory,
    partition_ids: Sequence[str],
    wanted: Wanted,
    facts: PairFacts,
    url: str,
    began: Began,
    searches: Searches,
    most: int,
) -> PairFile:
    with scratch_folder() as folder, pair_table() as table:
        distinct, search, exact = _begun(run, partition_ids, facts, folder, began, searches)
        for left, right, found in search.blocks:
            distance = found if exact is None else 1.0 - pair_cosines(exact, left, right)
            near = distance <= facts.radius  # NaN is not
            table.add(distinct.first[left[near]], distinct.first[right[near]], distance[near])
            if table.added > most and facts.kind == TURNED:
                table.unite()  # one pair is found up to sixteen times
            if table.added > most:
                raise too_many(wanted, facts.radius, most)
        if facts.kind == TURNED:
            table.unite()
        table.add_equal(distinct.equal_to, distinct.others)
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
) -> tuple[Distinct, Search, npt.NDArray[np.float16] | None]:
    """What is different, the search among it, and the rows to compute distances of anew."""
    if facts.kind == SIMILAR:
        distinct, rows = distinct_embeddings(run, partition_ids, folder)
        return distinct, searches.similar(rows, facts.radius, began(facts.kind, len(rows))), rows
    distinct, hashes = distinct_hashes(run, partition_ids, turned=facts.kind == TURNED)
    search = searches.turned if facts.kind == TURNED else searches.copies
    return distinct, search(hashes, int(facts.radius), began(facts.kind, len(hashes))), None


def too_many(wanted: Wanted, radius: float, most: int) -> RecipeError:
    """What to say where a radius takes too many images for alike."""
    return RecipeError(
        f"more than {most:,} pairs of images are within {radius:g} of each other",
        where=wanted.where,
        cause="that is too many to be copies; the radius takes images for alike that are not",
        act="lower the radius there",
    )

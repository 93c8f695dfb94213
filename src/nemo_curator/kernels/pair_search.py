"""How pairs of similar rows are looked for: every row against every other, or in cells; decided by the number of rows.

Looking at every row is exact and takes time that grows with the square of their number. Cells find nearly all pairs in
far less; how many cells are looked into depends on the rows alone, and what that finds is measured (`cell_recall`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from nemo_curator.kernels.cell_recall import BANDS, WORTH, Band, Recall, Sampling, bands_up_to
from nemo_curator.kernels.cell_search import Stricter, as_strict, pairs_in_cells, pairs_with_cells
from nemo_curator.kernels.cells import Cells, Probes, find_centroids, into_cells, number_of_cells, probe
from nemo_curator.kernels.rows import Float32, Rows
from nemo_curator.kernels.similar import MEMORY, Pairs, Progress, pairs_between, similar_pairs

EXACT_ROWS = 50_000
"""Rows that are all compared with one another; by measurement (`benchmarks/similar_search.py`)."""

_FEWEST = 100  # rows that the recall of a few new rows is measured on, at least
_MOST_PROBED = 50_000_000  # rows times cells that each looks into, at some 20 bytes
_FEWEST_PROBES = 8  # that many there may be always

Steps = Callable[[str, int, int], None]
"""Called with (what is done, how much of it, of how much)."""


def no_steps(what: str, done: int, total: int) -> None:
    """Tell nobody."""
    del what, done, total


@dataclass(frozen=True, slots=True)
class SearchSettings:
    """What a search may take, and what it must find.

    Attributes:
        memory: Bytes that blocks of rows may take, about. Cells take some 20 bytes a row and probed cell besides, a
            gigabyte at most up to six million rows; beyond, eight cells of each row.
        threads: Threads that look at blocks.
        seed: Of cells and samples.
        exact_rows: Rows up to which every one is compared with every other.
        sample: Rows that decide how many cells are looked into, and about as many that it is measured on, or more where
            these have few pairs; of new rows against stored ones fewer, so that it stays cheap.
        target: Share of the pairs of rows that decide which must be found, before cells are thought good enough.
    """

    memory: int = MEMORY
    threads: int = 1
    seed: int = 42
    exact_rows: int = EXACT_ROWS
    sample: int = 1000
    target: float = 0.995


@dataclass(frozen=True, slots=True)
class PairSearch:
    """A search that is ready to run.

    Attributes:
        pairs: Starts it; called with progress, gives pairs by blocks.
        cells: The cells of the rows, to be stored and used again; None where every row is compared.
        recall: What it finds, as measured; None where it finds all.
    """

    pairs: Callable[[Steps], Iterator[Pairs]]
    cells: Cells | None = None
    recall: Recall | None = None


def search_within(
    rows: Rows, least: float, settings: SearchSettings | None = None, progress: Steps = no_steps
) -> PairSearch:
    """Get ready to find all pairs within a set of rows.

    Args:
        rows: N of them, of any length; those without a direction are in no pair.
        least: The smallest cosine that counts.
        settings: What it may take.
        progress: Called while cells are made.
    """
    settings = settings or SearchSettings()
    within = partial(similar_pairs, rows, least, memory=settings.memory, threads=settings.threads)
    if len(rows) <= settings.exact_rows:
        return PairSearch(lambda steps: within(progress=_named(steps, "comparing rows")))
    plan = _planned(rows, None, None, least, settings, progress)
    if plan is None:
        return PairSearch(lambda steps: within(progress=_named(steps, "comparing rows")))
    cells, stricter = plan.cells, [Stricter(band, probes) for band, probes in plan.fewer]
    if plan.probes is None:
        return PairSearch(
            lambda steps: as_strict(within(progress=_named(steps, "comparing rows")), stricter), None, plan.recall
        )
    owned = into_cells(cells, plan.probes.owners)
    looking = partial(pairs_in_cells, rows, owned, plan.probes, least, memory=settings.memory, threads=settings.threads)
    return PairSearch(
        lambda steps: as_strict(looking(progress=_named(steps, "comparing cells")), stricter), owned, plan.recall
    )


def search_between(
    left: Rows,
    right: Rows,
    least: float,
    cells: Cells | None = None,
    settings: SearchSettings | None = None,
    progress: Steps = no_steps,
) -> PairSearch:
    """Get ready to find all pairs of a row of one set, usually a few new ones, and a row of another.

    Args:
        left: N rows.
        right: M rows.
        least: The smallest cosine that counts.
        cells: The cells of the right, from an earlier search; made anew where they are needed and not given. What is
            found is the same.
        settings: What it may take.
        progress: Called while cells are found.

    Raises:
        ValueError: The cells are not those of the right.
    """
    settings = settings or SearchSettings()
    if cells is not None and (len(cells.order), cells.centroids.shape[1]) != (len(right), right.dimension):
        raise ValueError(
            f"these are cells of {len(cells.order):,} rows of {cells.centroids.shape[1]:,} numbers, and there are "
            f"{len(right):,} of {right.dimension:,}"
        )
    between = partial(pairs_between, left, right, least, memory=settings.memory, threads=settings.threads)
    # as many comparisons as within the largest set that is compared exactly, whether or not cells are at hand
    if len(left) * len(right) <= settings.exact_rows**2 / 2:
        return PairSearch(lambda steps: between(progress=_named(steps, "comparing rows")), cells)
    if cells is None:
        cells = cells_of(right, settings, progress)
    # each sampled row is compared with all of the other side: no more of that than the search itself is worth
    sample = min(settings.sample, max(_FEWEST, math.isqrt(len(right)) // 20))
    plan = _planned(left, right, cells.centroids, least, replace(settings, sample=sample), progress)
    if plan is None:
        return PairSearch(lambda steps: between(progress=_named(steps, "comparing rows")), cells)
    owners = cells.owners()
    stricter = [Stricter(band, probes, owners) for band, probes in plan.fewer]
    if plan.probes is None:
        return PairSearch(
            lambda steps: as_strict(between(progress=_named(steps, "comparing rows")), stricter), cells, plan.recall
        )
    looking = partial(
        pairs_with_cells, left, plan.probes, right, cells, least, memory=settings.memory, threads=settings.threads
    )
    return PairSearch(
        lambda steps: as_strict(looking(progress=_named(steps, "comparing cells")), stricter), cells, plan.recall
    )


@dataclass(frozen=True, slots=True)
class _Plan:
    """How a search in cells will go.

    Attributes:
        cells: `(K, D)`, centroids.
        probes: The cells that each row of the left looks into; None where all rows are compared.
        fewer: The same of each band of which fewer are looked into.
        recall: What that finds.
    """

    cells: Float32
    probes: Probes | None
    fewer: list[tuple[Band, Probes]]
    recall: Recall


def _planned(
    left: Rows, right: Rows | None, centroids: Float32 | None, least: float, settings: SearchSettings, progress: Steps
) -> _Plan | None:
    """How to search in cells; None where they are of no use."""
    bands = bands_up_to(least)
    if bands is None:
        return None
    if centroids is None:
        centroids = _centroids(left, settings, progress)
    sampling = Sampling(left, right, np.asarray(centroids), settings)
    counts = _counts(sampling, bands)
    most, every = max(counts.values()), len(centroids)
    if min(counts.values()) == every:
        return None
    recall = sampling.measured(least, counts)

    def probed(count: int) -> Probes:
        return probe(left, sampling.centroids, count, settings.threads, _named(progress, "finding cells"))

    fewer = [(band, probed(count)) for band, count in counts.items() if count < most]
    return _Plan(sampling.centroids, None if most == every else probed(most), fewer, recall)


def _counts(sampling: Sampling, bands: Sequence[Band]) -> dict[Band, int]:
    """Cells that are looked into for each band; never fewer for one that is farther."""
    every = len(sampling.centroids)
    # where so many would not fit, as many as do; what these find is measured
    most = max(_FEWEST_PROBES, _MOST_PROBED // max(1, len(sampling.left)))
    counts: dict[Band, int] = {}
    count = 1
    for band, far in zip(bands, BANDS, strict=False):
        count = max(count, sampling.probes(band, far))
        counts[band] = min(count, most) if most < every // WORTH else count
    return counts


def cells_of(rows: Rows, settings: SearchSettings | None = None, progress: Steps = no_steps) -> Cells:
    """The cells of a set of rows, to be stored and searched later.

    Args:
        rows: N of them, at least 1.
        settings: What it may take.
        progress: Called while cells are made.
    """
    settings = settings or SearchSettings()
    centroids = _centroids(rows, settings, progress)
    return into_cells(centroids, probe(rows, centroids, 1, settings.threads, _named(progress, "finding cells")).owners)


def _centroids(rows: Rows, settings: SearchSettings, progress: Steps) -> Float32:
    return find_centroids(
        rows,
        number_of_cells(len(rows)),
        seed=settings.seed,
        memory=settings.memory,
        threads=settings.threads,
        progress=lambda what: progress(what, 0, 0),
    )


def _named(steps: Steps, what: str) -> Progress:
    return lambda done, total: steps(what, done, total)

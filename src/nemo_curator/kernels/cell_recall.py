"""How many cells a search looks into, and what share of the pairs that finds.

How many is decided by bands of distance, for each by the rows alone: a pair counts if the probes of its own band show
it. So a search up to a large distance and one up to a small one agree on what is near. What a search finds is measured
afterwards, on rows that had no part in the decision.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from nemo_curator.kernels.cells import Probes, probe
from nemo_curator.kernels.made_pairs import made_pairs
from nemo_curator.kernels.rows import ArrayRows, Float32, Int32, Int64, PickedRows, Rows
from nemo_curator.kernels.similar import Pairs, joined, pairs_between

BANDS = (0.05, 0.1, 0.2, 0.4)
"""1 - cosine up to which one number of probes is used. Beyond the last one, cells tell nothing: all is compared."""

WORTH = 8
"""Cells of which one is looked into: with more, comparing everything takes no longer."""

_STEPS = (2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024)
_ENOUGH = 300  # pairs of different sampled rows that are believed
_CHUNK = 64  # sampled rows compared together at first; then four times as many, and so on
_HELD = 4096  # pairs of a sample that are looked up
_AFFORDABLE = 250_000_000  # comparisons of a sample whose rows have few pairs
_AFFORDABLE_FEW = 60_000_000  # the same of a few rows against many, a search that costs little itself
_FEW = 20  # times as many as a few
_CONFIDENCE = 0.95
_BOTH = 2.0**-30  # bounds that differ by rounding are one bound


class Needed(Protocol):
    """What the measurement is told; `pair_search.SearchSettings` is one."""

    @property
    def sample(self) -> int:
        """Rows to sample."""

    @property
    def target(self) -> float:
        """Share of their pairs that must be found."""

    @property
    def seed(self) -> int:
        """Of the sample."""

    @property
    def memory(self) -> int:
        """Bytes that blocks may take, about."""

    @property
    def threads(self) -> int:
        """Threads that look at blocks."""


@dataclass(frozen=True, slots=True)
class Recall:
    """What a search in cells finds, against looking at every row.

    Attributes:
        share: Share of the pairs of the sampled rows that are found; None where these have no pair at all.
        at_least: What the share of all pairs is at least, with a confidence of 95 %; 0 where nothing is known.
        rows: Rows that were compared with all others.
        pairs: Pairs that they have.
        probes: Cells that each row looks into.
    """

    share: float | None
    at_least: float
    rows: int
    pairs: int
    probes: int


@dataclass(frozen=True, slots=True)
class Band:
    """Pairs of about one distance.

    Attributes:
        near: 1 - cosine above which they are.
        far: 1 - cosine up to which they are.
    """

    near: float
    far: float

    def holds(self, cosines: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
        """Which pairs are of this band."""
        apart = 1.0 - cosines
        return (apart > self.near) & (apart <= self.far)


def bands_up_to(least: float) -> tuple[Band, ...] | None:
    """The bands that a search needs; None where it goes farther than cells do. The nearest one has no lower end.

    Args:
        least: The smallest cosine that counts.
    """
    farthest = 1.0 - least - _BOTH
    if farthest > BANDS[-1]:
        return None
    number = 1 + next(at for at, far in enumerate(BANDS) if farthest <= far)
    bands = [Band(near, far) for near, far in zip((-np.inf, *BANDS), BANDS, strict=False)][:number]
    # what is a rounding beyond the last bound is searched for, and belongs to it
    return *bands[:-1], Band(bands[-1].near, np.inf)


@dataclass(frozen=True, slots=True)
class _Sample:
    """Pairs of sampled rows.

    Attributes:
        at: `(P,)`, numbers of sampled rows.
        of: `(P,)`, numbers of the rows that are near them.
        cosines: `(P,)`.
        pairs: How many there were; those that are here are some of them, drawn by their numbers.
        rows: Rows that were compared with all others.
    """

    at: Int64
    of: Int64
    cosines: npt.NDArray[np.float64]
    pairs: int
    rows: int

    @property
    def is_enough(self) -> bool:
        return len(np.unique(self.at)) >= _ENOUGH


@dataclass(frozen=True, slots=True)
class Sampling:
    """The rows that a search is decided and measured on.

    Attributes:
        left: N rows, of which some are sampled, unless they are few.
        right: Rows in cells, of which some are sampled then; None where they are those of the left.
        centroids: `(K, D)`, of the cells.
        needed: How many rows to sample, what must be found, and what it may take.
    """

    left: Rows
    right: Rows | None
    centroids: Float32
    needed: Needed

    def probes(self, band: Band, far: float) -> int:
        """Cells to look into for the pairs of a band: K where an eighth of them is not enough.

        Pairs of sampled rows decide if there are enough. If not, pairs that are made are asked too: it would be rash to
        conclude from one pair that is found. A few rows against very many have made pairs alone, which cost no look
        at all of them and are the hardest to find.

        Args:
            band: The pairs.
            far: Their largest distance.
        """
        right = self.left if self.right is None else self.right
        needed = 1
        if not self._few:
            drawn, _ = self._drawn()
            real = self._sampled(drawn, 1.0 - far, band)
            needed = self._least_probes(self.left, real.at, right, real.of)
            if real.is_enough:
                return needed
        one, other = made_pairs(self.left, right, far, self.needed.seed)
        if not len(one):
            return needed if not self._few else len(self.centroids)
        numbers = np.arange(len(one))
        return max(needed, self._least_probes(ArrayRows([one]), numbers, ArrayRows([other]), numbers))

    def measured(self, least: float, counts: dict[Band, int]) -> Recall:
        """What a search finds, on rows that had no part in deciding how many cells it looks into.

        Args:
            least: The smallest cosine that counts.
            counts: Band to cells that are looked into.
        """
        deciding, others = self._drawn()
        found = self._sampled(others, least, Band(-np.inf, np.inf), deciding)
        right = self.left if self.right is None else self.right
        left, beside = (found.of, found.at) if self._few else (found.at, found.of)
        caught = np.ones(len(found.at), np.bool_)
        for band, count in counts.items():
            some = band.holds(found.cosines)
            caught[some] = self._caught(self.left, left[some], right, beside[some])(count)
        most = max(counts.values())
        if not len(found.at):
            return Recall(None, 0.0, found.rows, 0, most)
        share = float(np.count_nonzero(caught)) / len(caught)
        # pairs of one row are found or missed together, so it is rows that are counted
        return Recall(share, lower_bound(share, len(np.unique(found.at))), found.rows, found.pairs, most)

    @property
    def _few(self) -> bool:
        """Whether the left is so few that to read all of the right once more costs as much as the search itself.

        Then rows of the right are sampled, and compared with all of the left.
        """
        return self.right is not None and len(self.left) * _FEW <= len(self.right)

    @property
    def _sides(self) -> tuple[Rows, Rows]:
        """The rows that are sampled, and those that they are compared with."""
        right = self.left if self.right is None else self.right
        return (right, self.left) if self._few else (self.left, right)

    def _drawn(self) -> tuple[Int64, Int64]:
        """Rows that decide, and rows to measure on."""
        sampled, others = self._sides
        order = np.random.default_rng([self.needed.seed, 1]).permutation(len(sampled))
        deciding = order[: 0 if self._few else max(1, min(self.needed.sample, len(self.left) // 2))]
        comparisons = _AFFORDABLE_FEW if self._few else _AFFORDABLE
        affordable = max(self.needed.sample, comparisons // max(1, len(others)))
        return deciding, order[len(deciding) :][:affordable]

    def _sampled(self, drawn: Int64, least: float, band: Band, without: Int64 | None = None) -> _Sample:
        """Pairs of some rows, of as many as are needed to have enough: which, depends on no block and no thread."""
        sampled, others = self._sides
        apart = np.zeros(len(others) if self.right is None else 0, np.bool_)
        if without is not None and self.right is None:
            apart[without] = True
        held, pairs, done = joined([]), 0, 0
        # where even all are not enough there is no reason to stop after some; all of them cost one look at the others
        chunk = _CHUNK if len(drawn) > _ENOUGH else len(drawn)
        while done < len(drawn):
            picked = np.sort(drawn[done : done + chunk])
            done, chunk = done + len(picked), 4 * chunk
            for block in pairs_between(
                PickedRows(sampled, picked),
                others,
                least,
                memory=self.needed.memory // 4,
                threads=self.needed.threads,
            ):
                at, good = picked[block.left], band.holds(block.cosines)
                if self.right is None:
                    good &= (at != block.right) & ~apart[block.right]
                pairs += int(np.count_nonzero(good))
                held = _fewer(joined([held, Pairs(at[good], block.right[good], block.cosines[good])]))
            if len(np.unique(held.left)) >= _ENOUGH:
                break
        return _Sample(held.left, held.right, held.cosines, pairs, done)

    def _least_probes(self, left: Rows, at: Int64, right: Rows, of: Int64) -> int:
        cells = len(self.centroids)
        possible, caught = _possible(cells), self._caught(left, at, right, of)
        # the nearest cells are among the nearest ones of a larger number: what few show, more show too
        found = bisect_left(
            possible, True, key=lambda count: bool(np.count_nonzero(caught(count)) >= self.needed.target * len(at))
        )
        return possible[found] if found < len(possible) else cells

    def _caught(self, left: Rows, at: Int64, right: Rows, of: Int64) -> Callable[[int], npt.NDArray[np.bool_]]:
        """Tells which pairs a search with so many probes finds."""
        threads, within = self.needed.threads, self.right is None
        theirs = _of_distinct(right, of, self.centroids, 1, threads).owners

        def caught(count: int) -> npt.NDArray[np.bool_]:
            if count >= len(self.centroids):
                return np.ones(len(at), np.bool_)
            one = _of_distinct(left, at, self.centroids, count, threads)
            shown = reached(one.cells, theirs)
            if within:
                shown |= reached(_of_distinct(right, of, self.centroids, count, threads).cells, one.owners)
            return shown

        return caught


def reached(cells: Int32, owners: Int32) -> npt.NDArray[np.bool_]:
    """Whether the cells that each row looks into have that of another.

    Args:
        cells: `(P, count)`.
        owners: `(P,)`.
    """
    found: npt.NDArray[np.bool_] = (cells == owners[:, None]).any(axis=1)
    return found


def lower_bound(share: float, number: int) -> float:
    """What a share is at least, with a confidence of 95 %, where it was seen in so many; cut off after four digits.

    Source: Clopper and Pearson, "The use of confidence or fiducial limits illustrated in the case of the binomial",
    Biometrika 26 (1934): the share at which so few misses are as unlikely as that.

    Args:
        share: As it was seen.
        number: In how many, which have nothing to do with one another.
    """
    missed = math.ceil((1.0 - share) * number - _BOTH)
    low, high = 0.0, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (low, middle) if _chance(missed, number, middle) > 1.0 - _CONFIDENCE else (middle, high)
    return math.floor(low * 10_000) / 10_000


def _chance(missed: int, number: int, share: float) -> float:
    """Of at most so many misses, where a share is found."""
    if missed >= number:
        return 1.0
    logs = (
        math.lgamma(number + 1)
        - math.lgamma(one + 1)
        - math.lgamma(number - one + 1)
        + one * math.log1p(-share)
        + (number - one) * math.log(share)
        for one in range(missed + 1)
    )
    return math.fsum(math.exp(one) for one in logs)


def _possible(cells: int) -> list[int]:
    """Numbers of probes that are worth it, ascending."""
    return [step for step in _STEPS if step <= cells // WORTH]


def _fewer(pairs: Pairs) -> Pairs:
    """Some of many pairs, drawn by a hash of their numbers: in whatever blocks they come, the same are left."""
    if len(pairs) <= _HELD:
        return pairs
    mixed = pairs.left.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + pairs.right.astype(np.uint64)
    # Source: the finaliser of splitmix64 (Steele, Lea and Flood, OOPSLA 2014)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    kept = np.argpartition(mixed ^ (mixed >> np.uint64(31)), _HELD)[:_HELD]
    return Pairs(pairs.left[kept], pairs.right[kept], pairs.cosines[kept])


def _of_distinct(rows: Rows, numbers: Int64, centroids: Float32, count: int, threads: int) -> Probes:
    distinct, back = np.unique(numbers, return_inverse=True)
    found = probe(PickedRows(rows, distinct), centroids, count, threads)
    return Probes(found.owners[back], found.cells[back])

"""From a sample of an input to what all of it comes to: pure arithmetic, with ranges that say how much is chance.

What was looked at are groups of records (a few loose files, or the beginning of a shard). A total is a ratio of sums
over the groups, times what is known of all: the number of loose files, the bytes of the shards. How far it may be off
is told by leaving out one group after the other (the jackknife: Quenouille, "Notes on bias in estimation", Biometrika
43, 1956), and for shares by the interval of Wilson ("Probable inference", JASA 22, 1927), which does not call a rare
thing impossible because a sample has none of it.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

_NORMAL = 1.96
_STUDENT = (12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23, 2.20, 2.18, 2.16, 2.14, 2.13)
"""95 % of Student's distribution, for 1, 2, … degrees of freedom."""


@dataclass(frozen=True, slots=True)
class Group:
    """Records that were looked at together.

    Attributes:
        records: Their number.
        size: Bytes that they take of the input.
        seconds: Seconds that the stages took for them, in one worker.
        closing: Seconds that it took besides to close the partition, however many records it has.
        written: Bytes that they would take of the output, if all were kept.
        kept: Records that the rules keep.
        kept_written: Bytes that these would take.
    """

    records: int
    size: int
    seconds: float
    closing: float
    written: int
    kept: int
    kept_written: int


@dataclass(frozen=True, slots=True)
class Stratum:
    """A part of an input of which something is known as a whole.

    Attributes:
        groups: What was looked at.
        records: Its records, where they are known; else None.
        size: Its bytes.
    """

    groups: tuple[Group, ...]
    records: int | None
    size: int

    @property
    def factor(self) -> Callable[[Group], float]:
        """What totals are in proportion to."""
        return _size if self.records is None else _records

    @property
    def whole(self) -> int:
        """How much of that there is."""
        return self.size if self.records is None else self.records


@dataclass(frozen=True, slots=True)
class Range:
    """A number that is not known exactly.

    Attributes:
        value: The likeliest one.
        low: It is hardly less,
        high: and hardly more than this.
    """

    value: float
    low: float
    high: float

    def scaled(self, factor: float) -> Range:
        """So many times as much."""
        return Range(self.value * factor, self.low * factor, self.high * factor)


def total(strata: Sequence[Stratum], of: Callable[[Group], float]) -> Range:
    """What something comes to over all of the input.

    Args:
        strata: The parts of the input; of each at least one group was looked at.
        of: What is added up.
    """
    value = squares = 0.0
    for stratum in strata:
        whole = stratum.whole * _ratio(stratum.groups, of, stratum.factor)
        value += whole
        squares += (whole * _relative_error(stratum, of)) ** 2
    half = math.sqrt(squares)
    return Range(value, max(0.0, value - half), value + half)


def share_total(
    strata: Sequence[Stratum], of: Callable[[Group], float], whole: Range, *, hits: int, tries: int
) -> Range:
    """The same for a part of something else, of which a sample may have none or all by chance.

    Args:
        strata: The parts of the input.
        of: What is added up.
        whole: What it is a part of.
        hits: Records of the sample that belong to it.
        tries: Records of the sample.
    """
    found = total(strata, of)
    if all(map(_is_complete, strata)):
        return found
    low, high = wilson(hits, tries)
    return Range(found.value, min(found.low, low * whole.value), min(whole.high, max(found.high, high * whole.value)))


def share(strata: Sequence[Stratum], of: Callable[[Group], float], *, hits: int, tries: int) -> Range:
    """The share of the records that belong to something.

    Args:
        strata: The parts of the input.
        of: How many of a group's records do.
        hits: How many of the sample's do.
        tries: Records of the sample.
    """
    counts = [Stratum(one.groups, round(total([one], _records).value), one.size) for one in strata]
    found = total(counts, of).scaled(1 / max(1, sum(one.whole for one in counts)))
    if all(map(_is_complete, strata)):
        return found
    low, high = wilson(hits, tries)
    return Range(found.value, min(found.low, low), min(1.0, max(found.high, high)))


def closing_seconds(strata: Sequence[Stratum], partitions: int) -> float:
    """Seconds that it takes to close all partitions of an input.

    The first one of a worker is slower, because that loads libraries, and is half of all at most: so the lower quartile
    stands for the others.

    Args:
        strata: The parts of the input.
        partitions: How many it has.
    """
    found = sorted(group.closing for stratum in strata for group in stratum.groups)
    return partitions * found[len(found) // 4] if found else 0.0


def wilson(hits: int, tries: int) -> tuple[float, float]:
    """Between which shares the true one lies, in 95 % of all samples.

    Args:
        hits: How often it was so.
        tries: How often one looked, at least once.
    """
    share, square = hits / tries, _NORMAL**2 / tries
    middle = (share + square / 2) / (1 + square)
    half = _NORMAL / (1 + square) * math.sqrt(share * (1 - share) / tries + square / (4 * tries))
    return max(0.0, middle - half), min(1.0, middle + half)


def parallelism(sizes: Iterable[int], workers: int) -> float:
    """How many workers are busy on average until the last one is done, if each takes the next partition in order.

    Args:
        sizes: Bytes of the partitions, in order; time is in proportion to them.
        workers: Workers, at least 1.

    Returns:
        From 1 to `workers`.
    """
    busy = [0] * workers
    whole = 0
    for size in sizes:
        heapq.heappush(busy, heapq.heappop(busy) + max(1, size))
        whole += max(1, size)
    return whole / max(busy) if whole else float(workers)


def _size(group: Group) -> float:
    return group.size


def _records(group: Group) -> float:
    return group.records


def _ratio(groups: Sequence[Group], of: Callable[[Group], float], factor: Callable[[Group], float]) -> float:
    below = sum(map(factor, groups))
    return sum(map(of, groups)) / below if below else 0.0


def _is_complete(stratum: Stratum) -> bool:
    return sum(map(stratum.factor, stratum.groups)) >= stratum.whole


def _relative_error(stratum: Stratum, of: Callable[[Group], float]) -> float:
    """Half the width of the range, as a share of the value; all of it where a single group says nothing of others."""
    groups, factor = stratum.groups, stratum.factor
    whole = _ratio(groups, of, factor)
    if _is_complete(stratum) or not whole:
        return 0.0
    if len(groups) < 2:
        return 1.0
    above, below = sum(map(of, groups)), sum(map(factor, groups))
    without = [(above - of(one)) / (below - factor(one)) for one in groups if below > factor(one)]
    mean = sum(without) / len(without)
    variance = (len(without) - 1) / len(without) * sum((one - mean) ** 2 for one in without)
    free = len(groups) - 1
    quantile = _STUDENT[free - 1] if free <= len(_STUDENT) else _NORMAL
    unseen = max(0.0, 1 - below / stratum.whole)  # what was looked at is known
    return quantile * math.sqrt(variance * unseen) / whole

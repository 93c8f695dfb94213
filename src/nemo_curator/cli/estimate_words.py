"""What a recipe comes to on an input, in words and for machines."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from nemo_curator.cli.amounts import amount, counted, shown
from nemo_curator.cli.progress_words import how_long, stage_words
from nemo_curator.pipeline.estimate import Estimate
from nemo_curator.planning.estimating import Range

_MOST_STAGES = 6
_BESIDES = "; starting, deciding and writing come on top"


def estimate_facts(found: Estimate) -> dict[str, Any]:
    """Plain data, as `--json` prints it; amounts in bytes, times in seconds."""
    return found.facts


def estimate_lines(found: Estimate, most: int) -> list[str]:
    """Lines of a plan.

    Args:
        found: The estimate.
        most: Workers that there would be for any amount of input.
    """
    exact = found.records.low == found.records.high
    of = f"{'' if exact else 'about '}{found.records.value:,.0f} inputs ({amount(found.input_bytes)})"
    opened = f", the beginnings of {found.shards_opened:,} of {counted(found.shards, 'shard')}" if found.shards else ""
    kept = found.kept_share.scaled(100)
    ways = (("rejected", found.rejected), ("quarantined", found.quarantined))
    lost = "; ".join(line for how, counts in ways for line in _lost(how, counts, found.sampled))
    output = f"{_bytes(found.output_bytes.value)}{_between(found.output_bytes, _bytes)}"
    speed = f"{found.images_per_second.value:,.0f} images/s{_between(found.images_per_second, _count)}"
    lines = [
        f"From a sample of {found.sampled:,} of {of}{opened}",
        f"  speed   {speed} {_where(found, most)}",
        f"  time    {how_long(found.seconds.value)} to score all{_between(found.seconds, how_long)}{_BESIDES}",
        f"  kept    {_percent(kept.value)}{_between(kept, _percent)}{lost and '; of the sample, '}{lost}",
        f"  output  about {found.kept.value:,.0f} images{_between(found.kept, _count)}, {output}",
        f"  work    {stage_words(list(found.stages.items()), _MOST_STAGES)}",
    ]
    return [*lines, *(f"  note: {note}" for note in found.left_out), *_doubts(found)]


def _where(found: Estimate, most: int) -> str:
    """Where it runs, and why on no more workers."""
    if not found.workers:
        return "in the command's own process"
    few = found.workers == found.partitions < most
    there = "there is one partition" if found.partitions == 1 else f"there are {found.partitions:,} partitions"
    return f"on {counted(found.workers, 'worker')}{f', because {there}' if few else ''}"


def _lost(how: str, counts: Mapping[str, int], sampled: int) -> list[str]:
    """What is not kept of a sample in one way, by its reasons."""
    shares = [f"{shown(name)} {_percent(100 * count / sampled)}" for name, count in counts.items() if count]
    return [f"{how}: {', '.join(shares)}"] if shares else []


def _doubts(found: Estimate) -> list[str]:
    """What the ranges mean, where there are any, and what no range says."""
    ranges = (found.records, found.images_per_second, found.seconds, found.kept, found.kept_share, found.output_bytes)
    if all(one.low == one.high for one in ranges):
        return []
    beginnings = " Of shards the beginnings were read." if found.shards else ""
    return [
        "  Ranges say how far off this may be because a sample was drawn (95%); not what a busier machine, a colder",
        f"  disk or an input that is sorted may change.{beginnings}",
    ]


def _between(found: Range, words: Callable[[float], str]) -> str:
    """The range in brackets; nothing where it is no range."""
    low, high = words(found.low), words(found.high)
    return "" if low == high else f" ({low} to {high})"


def _count(value: float) -> str:
    return f"{value:,.0f}"


def _percent(value: float) -> str:
    return f"{value:.1f}%"


def _bytes(value: float) -> str:
    return amount(round(value))

"""What a recipe comes to on an input, in words and for machines."""

from __future__ import annotations

from collections.abc import Callable
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


def estimate_lines(found: Estimate) -> list[str]:
    """Lines of a plan."""
    exact = found.records.low == found.records.high
    of = f"{'' if exact else 'about '}{found.records.value:,.0f} inputs ({amount(found.input_bytes)})"
    opened = f", the beginnings of {found.shards_opened:,} of {counted(found.shards, 'shard')}" if found.shards else ""
    where = f"on {counted(found.workers, 'worker')}" if found.workers else "in the command's own process"
    share = {name: count / found.sampled for name, count in {**found.rejected, **found.quarantined}.items()}
    gone = [f"{shown(name)} {part:.1%}" for name, part in share.items() if part]
    kept = found.kept_share.scaled(100)
    lost = f"; of the sample, {_listed(gone)} are lost" if gone else ""
    output = f"{_bytes(found.output_bytes.value)}{_between(found.output_bytes, _bytes)}"
    lines = [
        f"From a sample of {found.sampled:,} of {of}{opened}",
        f"  speed   {found.images_per_second.value:,.0f} images/s {where}{_between(found.images_per_second, _count)}",
        f"  time    {how_long(found.seconds.value)} to score all{_between(found.seconds, how_long)}{_BESIDES}",
        f"  kept    {kept.value:.1f} % by the rules{_between(kept, _percent)}{lost}",
        f"  output  about {found.kept.value:,.0f} images{_between(found.kept, _count)}, {output}",
        f"  work    {stage_words(list(found.stages.items()), _MOST_STAGES)}",
    ]
    lines += [f"  note: {note}" for note in found.left_out]
    return [
        *lines,
        "  Ranges say how far off this may be because a sample was drawn (95 %); not what a busier machine, a colder",
        "  disk or an input that is sorted may change. Of shards the beginnings were read.",
    ]


def _between(found: Range, words: Callable[[float], str]) -> str:
    """The range in brackets; nothing where it is no range."""
    low, high = words(found.low), words(found.high)
    return "" if low == high else f" ({low} to {high})"


def _count(value: float) -> str:
    return f"{value:,.0f}"


def _percent(value: float) -> str:
    return f"{value:.1f}"


def _bytes(value: float) -> str:
    return amount(round(value))


def _listed(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]

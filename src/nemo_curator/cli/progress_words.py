"""How far a run is, in words: pieces of lines, of which a terminal and a log make their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nemo_curator.cli.amounts import amount, counted, shown
from nemo_curator.pipeline.progress import events as ev
from nemo_curator.pipeline.progress.standing import Standing

_MOST_RULES = 4  # that a line names
_MOST_STAGES = 4


@dataclass(frozen=True, slots=True)
class Words:
    """What a command calls its work.

    Attributes:
        compute: The first step.
        write: The last one.
        written: What it writes.
        decides: Whether verdicts come of it.
    """

    compute: str = "score"
    write: str = "export"
    written: str = "samples"
    decides: bool = True


def said(event: ev.Event) -> list[str]:
    """What is told of an event that no figure shows, a line each."""
    match event:
        case ev.Noted(notes):
            return [f"note: {shown(note)}" for note in notes]
        case ev.Trying(models):
            return [f"trying lower precisions of {', '.join(models)} on a sample of your images …"]
        case ev.WorkerDied(worker, how, image, successor):
            at = f" at {shown(image)}" if image else ""
            return [f"{worker} {how}{at}; {successor} goes on in its place"]
        case ev.ModelsDied(how):
            return [f"the process that runs the models {how}, and was started again"]
        case ev.ClusterSilent(seconds):
            gone = "if its head is gone, Ray ends this command within about a minute: give it again then"
            return [f"the Ray cluster did not answer for {seconds:.0f} s; {gone}"]
    return []


def interrupted(standing: Standing, *, keeps: bool) -> str:
    """What is kept of a command that was stopped: partitions count once they are whole, and not before.

    Args:
        standing: How far it was.
        keeps: Whether it has a place in which anything stays.
    """
    if not keeps:
        return "interrupted: this command keeps nothing on the way; it may be given again"
    plan = standing.plan
    if plan is None or not plan.partitions:
        return "interrupted: what was finished stays; the same command goes on from there"
    done, of = standing.partitions_done, counted(plan.partitions, "partition")
    if not done:
        were = "was" if plan.partitions == 1 else "were"
        return f"interrupted: 0 of {of} {were} finished, so the same command begins again"
    are = "was finished and stays" if done == 1 else "were finished and stay"
    return f"interrupted: {done:,} of {of} {are}; the same command goes on from there"


def speed(standing: Standing, now: float, since: str = "") -> str:
    """How many images were read, in which time if that is to be said, and how fast."""
    return f"{counted(standing.images, 'image')}{since}, {counted(round(standing.rate(now)), 'image')}/s"


def outcome(standing: Standing, words: Words) -> str:
    """What became of the images so far."""
    found = standing.verdicts
    if not found:  # verdicts come with the end of a partition: that there are none yet is not that all are zero
        return f"none of {_partitions(standing)} is finished yet"
    total = found.total()
    of = f" (of {total:,} in finished partitions)" if total < standing.images else ""
    if not words.decides:
        return f"so far readable {found['keep']:,}, unreadable {found['quarantine']:,}{of}"
    return (
        f"so far kept {found['keep'] + found['duplicate']:,}, "
        f"rejected {found['reject']:,}{_rules(standing)}, quarantined {found['quarantine']:,}{of}"
    )


def _partitions(standing: Standing) -> str:
    plan = standing.plan
    return counted(0 if plan is None else plan.partitions - plan.done, "partition")


def _rules(standing: Standing) -> str:
    """Which rules reject most, in brackets; nothing where there is one rule or none that rejects."""
    found = [(rule, count) for rule, count in standing.rules.most_common() if count]
    if not found:
        return ""
    named = [f"{shown(rule)} {count:,}" for rule, count in found[:_MOST_RULES]]
    rest = sum(count for _, count in found[_MOST_RULES:])
    named += [f"others {rest:,}"] if rest else []
    return f" ({', '.join(named)})"


def machine(standing: Standing) -> str:
    """The processes and their memory; nothing before anybody looked."""
    if not standing.memory:
        return ""
    workers = [counted(standing.workers, "worker")] if standing.workers else []
    died = [f"{standing.deaths:,} died and replaced"] if standing.deaths else []
    models = [f"models restarted {counted(standing.model_deaths, 'time')}"] if standing.model_deaths else []
    return ", ".join([*workers, *died, *models, amount(standing.memory)])


def stages(standing: Standing) -> str:
    """Where the time of the workers goes; nothing before anybody measured."""
    return stage_words(standing.shares, _MOST_STAGES)


def stage_words(shares: Sequence[tuple[str, float]], most: int) -> str:
    """Stages and their shares, so many of them by name; what is next to nothing is left out.

    Args:
        shares: Stages and their shares, the largest first.
        most: How many are named.
    """
    found = [(stage, share) for stage, share in shares if share >= 0.005]
    named = [f"{shown(stage)} {share:.0%}" for stage, share in found[:most]]
    rest = found[most:]
    named += [f"{counted(len(rest), 'other')} {sum(share for _, share in rest):.0%}"] if rest else []
    return ", ".join(named)


def how_long(seconds: float) -> str:
    """A time that is not known to the second: `40 s`, `12 min`, `3.5 h`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:,.1f} h"


def clock(seconds: float) -> str:
    """A time to the second: `01:23`, `2:01:23`."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02d}:{second:02d}" if hours else f"{minute:02d}:{second:02d}"

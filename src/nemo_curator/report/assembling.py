"""What was read of a run, put together as the page says it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from nemo_curator.report.content import Alike, Leaks, Page, StageTime
from nemo_curator.report.facts import RunFacts
from nemo_curator.report.figure import Figure
from nemo_curator.report.funnel import funnel_of, groups_of, quarantine_of
from nemo_curator.report.ground import Ground
from nemo_curator.report.samples import Row
from nemo_curator.report.sampling import Sample
from nemo_curator.report.spreads import Spread
from nemo_curator.report.verdicts import Positions, evenly
from nemo_curator.report.words import amount, plural

_UNUSABLE = 100


@dataclass(frozen=True, slots=True)
class Told:
    """What a page tells beside what `run.json` and the verdicts say.

    Attributes:
        spreads: How the values of each axis lie.
        sample: The images that charts show.
        unusable: Error code to positions of the inputs that have it.
        listed: Positions of those that are listed.
        rows: Position to part row, of these at least.
        sizes: Bytes of encoded images by number of their group, and by error code.
        figures: Position to picture and words of those that can be looked at.
        alike: Duplicates beside the images that stay.
        leaks: What of protect sets is in the inputs, or None where none was looked at.
    """

    spreads: tuple[Spread, ...]
    sample: Sample
    unusable: Mapping[str, Positions]
    listed: Sequence[int]
    rows: Mapping[int, Row]
    sizes: tuple[Mapping[int, int], Mapping[str, int]]
    figures: Mapping[int, Figure] = field(default_factory=dict)
    alike: tuple[Alike, ...] = ()
    leaks: Leaks | None = None


def page_of(ground: Ground, told: Told) -> Page:
    """The page as plain data."""
    facts, verdicts = ground.facts, ground.verdicts
    return Page(
        name=facts.name,
        place=ground.run.root,
        started=facts.started,
        decided=facts.decided,
        seconds=facts.seconds,
        pace=_pace(facts),
        idle=facts.scored == 0,
        stages=_stages(facts),
        steps=funnel_of(verdicts, told.unusable, facts, told.sizes),
        warnings=facts.warnings,
        groups=groups_of(facts, verdicts),
        spreads=told.spreads,
        sample=told.sample,
        figures=told.figures,
        duplicates=verdicts.count("duplicate"),
        alike=told.alike,
        leaks=told.leaks,
        quarantine=quarantine_of(told.unusable, told.listed, told.rows),
        recipe=facts.recipe,
        facts=facts.versions,
        ignored=facts.ignored,
        ignored_count=facts.ignored_count,
        models=facts.models,
        notes=facts.notes,
        unshown=len(set(ground.found.numbers) - {axis.name for axis in ground.axes}),
    )


def listed_unusable(unusable: Mapping[str, Positions]) -> list[int]:
    """Positions of the inputs that the page lists among those that could not be used: some of each reason."""
    return _spread_over(unusable.values(), _UNUSABLE)


def _spread_over(groups: Iterable[Positions], most: int) -> list[int]:
    """Some of each group, at most `most` together, but one of each at least."""
    groups = list(groups)
    each = max(1, most // max(1, len(groups)))
    return [position for group in groups for position in evenly(group, each)]


def _stages(facts: RunFacts) -> tuple[StageTime, ...]:
    whole = sum(facts.stages.values())
    counts = facts.stage_inputs
    times = [
        StageTime(
            name, taken, taken / whole if whole else 0.0, 1000 * taken / counts[name] if counts.get(name) else None
        )
        for name, taken in facts.stages.items()
    ]
    return tuple(sorted(times, key=lambda one: -one.seconds))


def _pace(facts: RunFacts) -> str:
    """What scoring got through in a second, in words; the time of a command counts only for what it scored itself."""
    seconds = facts.seconds.get("score", 0.0)
    if seconds <= 0.0 or not facts.scored:
        return ""
    size = amount(round(facts.scored_bytes / seconds))
    pace = plural(round(facts.scored / seconds), "input")
    return f"{pace} and {size} a second while scoring {plural(facts.scored, 'input')}"

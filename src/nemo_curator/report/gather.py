"""From a run directory to everything that the page says.

Three passes: the verdicts, two bytes an input; the numbers, one axis at a time; and then the few rows that are shown,
with their thumbnails.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import duckdb

from nemo_curator.report.alike import alike_of, leaks_of, stored_leaks
from nemo_curator.report.axes import axes_of
from nemo_curator.report.content import Alike, Page, StageTime
from nemo_curator.report.development import thumbnails_of
from nemo_curator.report.facts import RunFacts, read_facts
from nemo_curator.report.figure import Figure
from nemo_curator.report.figures import Gallery
from nemo_curator.report.funnel import funnel_of, groups_of, quarantine_of, rule_names
from nemo_curator.report.projection import plane_of
from nemo_curator.report.protected import protected_figures
from nemo_curator.report.readings import (
    Reading,
    bytes_by_group,
    read_axis,
    readable_positions,
    unusable_positions,
)
from nemo_curator.report.records import records_of, usable_rules
from nemo_curator.report.samples import Row, part_rows
from nemo_curator.report.sampling import Sample, choose, in_turns, numbers_of, picture_count, rows_to_show
from nemo_curator.report.survey import Survey, survey
from nemo_curator.report.thumbnail_worker import SIDE
from nemo_curator.report.thumbnails import MOST_BYTES, within
from nemo_curator.report.vectors import embeddings_at
from nemo_curator.report.verdicts import Positions, Verdicts, evenly
from nemo_curator.report.words import amount, plural, shown_id
from nemo_curator.runs.deciding.leaks import Leaks as StoredLeaks
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.partitions import Locations

_RULE, _UNUSABLE = 12, 100
_KEPT = 8  # one in so many pictures is an evenly chosen kept image
_ALL_RULES = 180  # thumbnails of all rules together; many rules get fewer each
_STOPS, _ALL_STOPS = 400, 24_000  # of one axis, and of all together
_CAPTION = 400
_FEW, _LARGE = 150, 480  # so many images get larger thumbnails


def gather(run: RunDirectory) -> Page:
    """Read a decided run.

    Raises:
        InputError: The run is not decided, or a file of it is damaged.
        OSError: A file of the run cannot be read.
        ValueError: `run.json` is not JSON.
        StorageError: There is no room for temporary files.
    """
    facts, verdicts, partitions = read_facts(run), Verdicts(run), Locations(run)
    found = survey(run, partitions.ids)
    rules = usable_rules(facts.rules, found.names)
    with records_of(run, partitions.ids, rules, {*found.numbers, "bytes"}, verdicts) as connection:
        axes = axes_of(connection, rules, found.numbers, facts.declared)
        kept = next(iter(verdicts.numbers_of("keep")), None)
        stops = max(40, min(_STOPS, _ALL_STOPS // max(1, len(axes))))
        readings = [read_axis(connection, axis, kept, stops) for axis in axes]
        readable, unusable = readable_positions(connection), unusable_positions(connection)
        alike, stored = alike_of(verdicts), stored_leaks(run)
        leaking = verdicts.places([leak.image_id for leak in stored.listed] if stored else [])
        most = picture_count(len(readable))
        even = max(1, most // _KEPT)
        pictured = choose(_wishes(facts, verdicts, alike, leaking, readings, readable, even), readable, most)
        sample = _sample(connection, rows_to_show(pictured, readable, len(axes)), readings)
        sizes = bytes_by_group(connection)
    sample = _mapped(sample, run, partitions.ids, found, readable)
    listed = _spread_over(unusable.values(), _UNUSABLE)
    rows = part_rows(run, partitions, found.starts, [*pictured, *listed], _columns(found))
    figures, protected = _figures(run, facts, verdicts, found, pictured, rows, stored)
    return Page(
        name=facts.name,
        place=run.root,
        started=facts.started,
        seconds=facts.seconds,
        pace=_pace(facts, verdicts.total, sum((*sizes[0].values(), *sizes[1].values()))),
        stages=_stages(facts, verdicts.total),
        steps=funnel_of(verdicts, unusable, facts, sizes),
        warnings=facts.warnings,
        groups=groups_of(facts, verdicts),
        spreads=tuple(reading.spread for reading in readings),
        sample=sample,
        figures=figures,
        duplicates=verdicts.count("duplicate"),
        alike=alike,
        leaks=leaks_of(stored, leaking, protected) if stored else None,
        quarantine=quarantine_of(unusable, listed, rows),
        recipe=facts.recipe,
        facts=facts.versions,
        ignored=facts.ignored,
        ignored_count=facts.ignored_count,
        models=facts.models,
        notes=facts.notes,
    )


def _wishes(
    facts: RunFacts,
    verdicts: Verdicts,
    alike: Sequence[Alike],
    leaking: Mapping[str, int],
    readings: Sequence[Reading],
    readable: Positions,
    even: int,
) -> list[Iterable[int]]:
    """Positions of images that should have a picture, the most important first; `even` are of kept images."""
    hit = [places for rule in rule_names(facts, verdicts) if len(places := verdicts.positions("reject", rule))]
    each = max(1, min(_RULE, _ALL_RULES // max(1, len(hit))))
    return [
        evenly(verdicts.positions("keep"), even),
        in_turns([near for reading in readings for near in reading.near]),  # the page promises them
        in_turns([evenly(places, each) for places in hit]),
        [one for group in alike for one in ([] if group.kept is None else [group.kept])],
        [removed.position for group in alike for removed in group.removed],
        leaking.values(),
        evenly(readable, even),
        in_turns([end for reading in readings for end in reading.ends]),
    ]


def _spread_over(groups: Iterable[Positions], most: int) -> list[int]:
    """Some of each group, at most `most` together, but one of each at least."""
    groups = list(groups)
    each = max(1, most // max(1, len(groups)))
    return [position for group in groups for position in evenly(group, each)]


def _sample(connection: duckdb.DuckDBPyConnection, positions: Positions, readings: Sequence[Reading]) -> Sample:
    groups, ids, numbers = numbers_of(connection, positions, [reading.spread.axis for reading in readings])
    return Sample(positions, groups, tuple(shown_id(one) for one in ids), numbers)


def _mapped(
    sample: Sample, run: RunDirectory, partition_ids: Sequence[str], found: Survey, readable: Positions
) -> Sample:
    """The sample with its places on the map of embeddings, where the run has some."""
    if not len(sample.positions):
        return sample
    vectors = embeddings_at(run, partition_ids, found.starts, readable, sample.positions)
    plane = None if vectors is None else plane_of(vectors)
    return sample if plane is None else replace(sample, places=plane.places, shares=plane.shares)


def _columns(found: Survey) -> list[str]:
    """The columns of a part to read for figures: scores that are no numbers, and what makes a picture sensitive."""
    return [*found.texts, *(name for name in found.numbers if name == "nsfw_score")]


def _figures(
    run: RunDirectory,
    facts: RunFacts,
    verdicts: Verdicts,
    found: Survey,
    pictured: Sequence[int],
    rows: Mapping[int, Row],
    stored: StoredLeaks | None,
) -> tuple[dict[int, Figure], dict[str, Figure]]:
    """Figures by position, and those of protected images by id."""
    decided = verdicts.rows(pictured)
    side = _LARGE if len(pictured) <= _FEW else SIDE
    mine = {position: rows[position] for position in pictured}
    unshown = {position for position in pictured if decided[position]["rule"] in facts.known}
    made = thumbnails_of(mine, facts.image_seconds, side=side, unshown=unshown)
    gallery = Gallery(mine, decided, facts.rules, found.texts, within(made, pictured, MOST_BYTES), _CAPTION)
    ids = [end.image_id for leak in stored.listed for end in leak.ends[:1]] if stored else []
    protected = protected_figures(run, ids, facts.image_seconds, side)
    return {position: gallery.figure(position) for position in sorted(pictured)}, protected


def _stages(facts: RunFacts, inputs: int) -> tuple[StageTime, ...]:
    whole = sum(facts.stages.values())
    times = [
        StageTime(name, taken, taken / whole if whole else 0.0, 1000 * taken / max(1, inputs))
        for name, taken in facts.stages.items()
    ]
    return tuple(sorted(times, key=lambda one: -one.seconds))


def _pace(facts: RunFacts, inputs: int, size: int) -> str:
    """What scoring got through in a second, in words."""
    seconds = facts.seconds.get("score", 0.0)
    if seconds <= 0.0 or not inputs:
        return ""
    return f"{plural(round(inputs / seconds), 'input')} and {amount(round(size / seconds))} a second while scoring"

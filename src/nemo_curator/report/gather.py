"""From a run directory to everything that the page says.

Three passes: the decisions, read once; the numbers, one axis at a time; and then the few rows that are shown, with
their thumbnails.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from nemo_curator.report.alike import alike_of, leaks_of, stored_leaks
from nemo_curator.report.assembling import Told, listed_unusable, page_of
from nemo_curator.report.content import Alike, Page
from nemo_curator.report.developers import Developers
from nemo_curator.report.development import thumbnails_of
from nemo_curator.report.facts import RunFacts
from nemo_curator.report.figure import Figure
from nemo_curator.report.figures import Gallery
from nemo_curator.report.funnel import rule_names
from nemo_curator.report.ground import Ground, ground_of, sample_of
from nemo_curator.report.protected import protected_figures
from nemo_curator.report.readings import (
    Reading,
    bytes_by_group,
    read_axis,
    readable_positions,
    unusable_positions,
)
from nemo_curator.report.samples import Row, part_rows
from nemo_curator.report.sampling import choose, in_turns, picture_count, rows_to_show
from nemo_curator.report.sensitive import sensitive_columns
from nemo_curator.report.thumbnail_messages import SIDE
from nemo_curator.report.thumbnails import MOST_BYTES, within
from nemo_curator.report.verdicts import Positions, Verdicts, evenly
from nemo_curator.report.weight import briefer
from nemo_curator.runs.deciding.leaks import Leaks as StoredLeaks
from nemo_curator.runs.layout import RunDirectory

_RULE = 12
_KEPT = 8  # one in so many pictures is an evenly chosen kept image
_ALL_RULES = 180  # thumbnails of all rules together; many rules get fewer each
_CAPTION = 400
_FEW, _LARGE = 150, 480  # so many images get larger thumbnails


def gather(run: RunDirectory, developers: Developers | None = None) -> Page:
    """Read a decided run.

    Args:
        run: The run.
        developers: Processes that make pictures, where some were started ahead; the caller ends them.

    Raises:
        InputError: The run is not decided, or a file of it is damaged.
        OSError: A file of the run cannot be read.
        ValueError: `run.json` is not JSON.
        StorageError: There is no room for temporary files.
    """
    with ground_of(run) as ground:
        connection, verdicts = ground.connection, ground.verdicts
        readings = [read_axis(connection, axis, ground.kept, ground.points) for axis in ground.axes]
        readable, unusable = readable_positions(connection), unusable_positions(connection)
        alike, stored = alike_of(verdicts), stored_leaks(run)
        leaking = verdicts.places([leak.image_id for leak in stored.listed] if stored else [])
        most = picture_count(len(readable))
        even = max(1, most // _KEPT)
        pictured = choose(_wishes(ground.facts, verdicts, alike, leaking, readings, readable, even), readable, most)
        sample = sample_of(ground, rows_to_show(pictured, readable, len(ground.axes)), readable)
        sizes = bytes_by_group(connection)
        decided = verdicts.rows(pictured)
    listed = listed_unusable(unusable)
    columns = [*ground.found.texts, *sensitive_columns(ground.found.numbers)]
    rows = part_rows(run, ground.partitions, ground.found.starts, [*pictured, *listed], columns)
    figures, protected = _figures(ground, pictured, rows, decided, stored, developers)
    leaks = leaks_of(stored, leaking, protected) if stored else None
    spreads = tuple(reading.spread for reading in readings)
    return page_of(ground, Told(spreads, sample, unusable, listed, rows, sizes, figures, alike, leaks))


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


def _figures(
    ground: Ground,
    pictured: Sequence[int],
    rows: Mapping[int, Row],
    decided: Mapping[int, Row],
    stored: StoredLeaks | None,
    developers: Developers | None,
) -> tuple[dict[int, Figure], dict[str, Figure]]:
    """Figures by position, the most important first, and those of protected images by id."""
    facts = ground.facts
    side = _LARGE if len(pictured) <= _FEW else SIDE
    mine = {position: rows[position] for position in pictured}
    unshown = {position for position in pictured if decided[position]["rule"] in facts.known}
    made = thumbnails_of(mine, facts.image_seconds, side=side, unshown=unshown, developers=developers)
    gallery = Gallery(mine, decided, facts.rules, ground.found.texts, within(made, pictured, MOST_BYTES), _CAPTION)
    ids = [end.image_id for leak in stored.listed for end in leak.ends[:1]] if stored else []
    protected = protected_figures(ground.run, ids, facts.image_seconds, side, developers)
    return briefer({position: gallery.figure(position) for position in pictured}), protected

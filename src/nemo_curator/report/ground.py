"""What every page of a run stands on: its verdicts, its numbers as a table, and what can be looked at along a line."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import duckdb

from nemo_curator.report.axes import Axis, axes_of
from nemo_curator.report.facts import RunFacts, read_facts
from nemo_curator.report.projection import plane_of
from nemo_curator.report.records import load_records, usable_rules
from nemo_curator.report.sampling import Sample, numbers_of
from nemo_curator.report.spreads import Most
from nemo_curator.report.survey import Survey, survey
from nemo_curator.report.vectors import embeddings_at
from nemo_curator.report.verdicts import Positions, Verdicts
from nemo_curator.report.words import shown_id
from nemo_curator.runs.deciding.connection import connected
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.partitions import Locations

_STOPS, _ALL_STOPS = 400, 24_000  # of one axis, and of all together
_EVERY, _ALL_EVERY = 1_000, 50_000  # the same of different values, where every one is told


@dataclass(frozen=True, slots=True)
class Ground:
    """A decided run, read as far as a page needs it before it chooses what to show.

    Attributes:
        run: The run.
        facts: What `run.json` says.
        verdicts: The verdicts.
        partitions: Where the inputs lie.
        found: Columns, and where partitions begin.
        connection: A database with `records`, `verdicts` and `decided`; see `Verdicts`.
        axes: What can be looked at along a line of numbers.
    """

    run: RunDirectory
    facts: RunFacts
    verdicts: Verdicts
    partitions: Locations
    found: Survey
    connection: duckdb.DuckDBPyConnection
    axes: tuple[Axis, ...]

    @property
    def kept(self) -> int | None:
        """Number of the group of kept images; None where there are none."""
        return next(iter(self.verdicts.numbers_of("keep")), None)

    @property
    def points(self) -> Most:
        """So many points are told of one axis at most."""
        axes = max(1, len(self.axes))
        return Most(stops=max(40, min(_STOPS, _ALL_STOPS // axes)), every=min(_EVERY, _ALL_EVERY // axes))


@contextmanager
def ground_of(run: RunDirectory, columns: Collection[str] = ("bytes",), *, texts: bool = False) -> Iterator[Ground]:
    """Read a decided run; its database is there until the block ends.

    Args:
        run: The run.
        columns: Columns that the table of numbers has besides those of scores and rules, as far as the run has them.
        texts: Whether it has the scores too that are no numbers.

    Raises:
        InputError: The run is not decided, or a file of it is damaged.
        OSError: A file of the run cannot be read.
        ValueError: `run.json` is not JSON.
        StorageError: There is no room for temporary files.
    """
    facts = read_facts(run)
    with connected() as connection:
        verdicts, partitions = Verdicts(run, connection), Locations(run)
        found = survey(run, partitions.ids)
        rules = usable_rules(facts.rules, found.names)
        wanted = {*found.numbers, *(one for one in columns if one in found.names), *(found.texts if texts else ())}
        load_records(connection, run, partitions.ids, rules, wanted, found.schemas)
        axes = axes_of(connection, rules, found.numbers, facts.declared)
        yield Ground(run, facts, verdicts, partitions, found, connection, axes)


def sample_of(ground: Ground, positions: Positions, readable: Positions) -> Sample:
    """Numbers of some images, and their places on the map of embeddings where the run has some.

    Args:
        ground: The run.
        positions: Their positions, ascending.
        readable: Positions of all readable images, ascending.
    """
    groups, ids, numbers = numbers_of(ground.connection, positions, ground.axes)
    sample = Sample(positions, groups, tuple(shown_id(one) for one in ids), numbers)
    if not len(positions) or not ground.found.embeds:
        return sample
    vectors = embeddings_at(ground.run, ground.partitions.ids, ground.found.starts, readable, positions)
    plane = None if vectors is None else plane_of(vectors)
    return sample if plane is None else replace(sample, places=plane.places, shares=plane.shares)

"""How the inputs of a run ended, in numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Self

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from nemo_curator.errors import ConservationError
from nemo_curator.runs.deciding.connection import count
from nemo_curator.runs.deciding.known_bad import known_counts
from nemo_curator.runs.deciding.policy import Policy
from nemo_curator.runs.deciding.rules import PROTECT
from nemo_curator.runs.deciding.skipped import unasked_sql
from nemo_curator.runs.deciding.thresholds import RuleWarning
from nemo_curator.runs.pairing.pair_file import PairFacts


@dataclass(slots=True)
class Funnel:
    """How the inputs of a run ended.

    Attributes:
        inputs: Number of input records.
        kept: Number kept.
        quarantined: Error code to number.
        rejected: Rule to number, first match counting, in recipe order; lists of known images, `protect` and `deny`
            before and `sample` after the rules where the recipe has them.
        alone: Rule or list of known images to the number that it would reject by itself.
        undecided: Rule to the number of readable images for which it came out NULL, which does not reject; list of
            known images to the number of those without a hash that it could be asked for.
        duplicates: Number of duplicates.
        alike: What makes a duplicate (`same_bytes`, …) to the number that it made, as far as the recipe asks for it.
        allowed: Number of readable images that the allow list names, and the deny list does not: no rule was asked.
        unlisted: `allow` or `deny` to the number of ids in that list that the run does not have.
        splits: Name of a share to the number of images kept in it.
        protected: Protect set to the number of its images that can be compared.
        unreadable: Protect set to the number of its images that cannot be read, and protect nothing, where there are.
        leaks: Protect set to the number of readable images that show one of its images.
        shown: Protect set to the number of its images that they show.
        earlier: Earlier run to the number of duplicates of images that it kept.
        pairs: What the files of pairs say that were used; no figure either.
        warnings: Rules whose thresholds do not fit what was seen, in recipe order; no figure, and kept apart from them.
    """

    inputs: int = 0
    kept: int = 0
    quarantined: dict[str, int] = field(default_factory=dict)
    rejected: dict[str, int] = field(default_factory=dict)
    alone: dict[str, int] = field(default_factory=dict)
    undecided: dict[str, int] = field(default_factory=dict)
    duplicates: int = 0
    alike: dict[str, int] = field(default_factory=dict)
    allowed: int = 0
    unlisted: dict[str, int] = field(default_factory=dict)
    splits: dict[str, int] = field(default_factory=dict)
    protected: dict[str, int] = field(default_factory=dict)
    unreadable: dict[str, int] = field(default_factory=dict)
    leaks: dict[str, int] = field(default_factory=dict)
    shown: dict[str, int] = field(default_factory=dict)
    earlier: dict[str, int] = field(default_factory=dict)
    warnings: tuple[RuleWarning, ...] = ()
    pairs: tuple[PairFacts, ...] = ()

    @property
    def figures(self) -> dict[str, Any]:
        """All numbers as plain data."""
        facts = asdict(self)
        del facts["warnings"], facts["pairs"]
        return facts

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> Self:
        """A funnel from its plain data; what another version calls otherwise is left out."""
        known = {one.name for one in fields(cls)} - {"warnings", "pairs"}
        return cls(**{name: value for name, value in facts.items() if name in known})

    def check(self) -> None:
        """Conservation: inputs = kept + rejected + duplicates + quarantined.

        Raises:
            ConservationError: It does not hold.
        """
        total = self.kept + sum(self.rejected.values()) + self.duplicates + sum(self.quarantined.values())
        if total != self.inputs:
            raise ConservationError(
                f"{self.inputs} inputs have {total} verdicts",
                cause="this is a fault of imagecurator, not of your data",
                act="keep the run directory and report it",
            )


class Tally:
    """Counts verdicts as they pass on their way to the file, so that the funnel is of what was written."""

    def __init__(self) -> None:
        self.verdicts: Counter[str] = Counter()
        self.rules: Counter[str] = Counter()
        self.splits: Counter[str] = Counter()

    def add(self, rows: pa.Table) -> None:
        """Count some rows of decisions."""
        self.verdicts.update(_counts(rows["verdict"]))
        self.rules.update(_counts(rows["rule"]))
        self.splits.update(_counts(rows["split"]))


def _counts(column: pa.ChunkedArray[Any]) -> dict[str, int]:
    pairs: Any = pc.value_counts(column)
    values, counts = (pairs.field(part).to_pylist() for part in ("values", "counts"))
    return {value: number for value, number in zip(values, counts, strict=True) if value is not None}


def funnel_of(
    connection: duckdb.DuckDBPyConnection, policy: Policy, tally: Tally, inputs: int, unlisted: dict[str, int]
) -> Funnel:
    """The funnel of what was tallied, with what only the tables know."""
    errors = "SELECT error, count(*) FROM records WHERE error IS NOT NULL GROUP BY error ORDER BY error"
    lists = [one.name for one in policy.known_bad.lists] if policy.known_bad else []
    names = [*lists, *([PROTECT] if policy.protect else []), *(["deny"] if policy.deny else [])]
    names += [rule.name for rule in policy.rules]
    names += ["sample"] if policy.sample else []
    alone, undecided = (
        {**of_lists, **of_rules}
        for of_lists, of_rules in zip(known_counts(connection, policy), _by_rule(connection, policy), strict=True)
    )
    leaks, shown = _leaks(connection, policy)
    if policy.protect:
        alone = {PROTECT: count(connection, "SELECT count(*) FROM leaks"), **alone}
    return Funnel(
        inputs=inputs,
        kept=tally.verdicts["keep"],
        quarantined={str(code): int(number) for code, number in connection.execute(errors).fetchall()},
        rejected={name: tally.rules[name] for name in names},
        alone=alone,
        undecided={rule: number for rule, number in undecided.items() if number},
        duplicates=tally.verdicts["duplicate"],
        alike={name: tally.rules[name] for name in policy.duplicate_rules},
        allowed=count(connection, "SELECT count(*) FROM judged WHERE __allowed"),
        unlisted=unlisted,
        splits={name: tally.splits[name] for name, _ in policy.split.shares} if policy.split else {},
        leaks=leaks,
        shown=shown,
        earlier=_earlier(connection, policy),
    )


def _leaks(connection: duckdb.DuckDBPyConnection, policy: Policy) -> tuple[dict[str, int], dict[str, int]]:
    """Protect set to the images that show one of its, and to those of its that are shown."""
    if not policy.protect:
        return {}, {}
    rows = connection.execute(
        "SELECT __set, count(DISTINCT __position), count(DISTINCT __other) FROM leak_links GROUP BY __set"
    ).fetchall()
    found = {int(number): (int(images), int(shown)) for number, images, shown in rows}
    counts = {name: found.get(number, (0, 0)) for number, name in enumerate(policy.protect)}
    return {name: images for name, (images, _) in counts.items()}, {name: shown for name, (_, shown) in counts.items()}


def _earlier(connection: duckdb.DuckDBPyConnection, policy: Policy) -> dict[str, int]:
    """Earlier run to the duplicates of images that it kept."""
    if not policy.against:
        return {}
    rows = connection.execute("SELECT __set, count(*) FROM earlier GROUP BY __set").fetchall()
    found = {int(number): int(images) for number, images in rows}
    return {name: found.get(number, 0) for number, name in enumerate(policy.against)}


def _by_rule(connection: duckdb.DuckDBPyConnection, policy: Policy) -> tuple[dict[str, int], dict[str, int]]:
    """How many images each rule matches, and how many it leaves undecided, each rule by itself."""
    if not policy.rules:
        return {}, {}
    figures = ", ".join(
        f"count(*) FILTER (__rule_{at}), "
        f"count(*) FILTER (__asked AND __rule_{at} IS NULL AND NOT {unasked_sql(policy, rule)})"
        for at, rule in enumerate(policy.rules)
    )
    row = connection.execute(f"SELECT {figures} FROM judged").fetchone() or ()
    names = [rule.name for rule in policy.rules]
    return dict(zip(names, row[::2], strict=True)), dict(zip(names, row[1::2], strict=True))

"""What there is to score: pure decisions from what parts say of themselves."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from nemo_curator.errors import StaleScoresError
from nemo_curator.pipeline.scoring import Scoring
from nemo_curator.runs.fingerprints import RECORDS, changes, only_environment
from nemo_curator.runs.state import RunState

_MOST_CHANGES = 3  # changes of a column that a sentence names

_GO_BACK = "or go back to what they were computed with"
RESCORE_AND_REPLACE = (
    "pass --rescore --replace to compute these columns again and to write what stands in the output anew, " + _GO_BACK
)
"""What to do about stale scores where a finished result was made of them."""

Fingerprints = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Stale:
    """Stored columns that were computed in another way than the recipe asks for now.

    Attributes:
        columns: Column to what changed, each change as `name: old → new`.
        asked: Whether the recipe asks for a change; False where only installed libraries are other ones.
    """

    columns: Mapping[str, Sequence[str]]
    asked: bool

    def __bool__(self) -> bool:
        return bool(self.columns)

    @property
    def sentence(self) -> str:
        """Which columns, and what changed."""
        by_change: dict[tuple[str, ...], list[str]] = defaultdict(list)
        for name, changed in self.columns.items():
            by_change[tuple(changed)].append("every column" if name == RECORDS else name)
        told = []
        for changed, names in by_change.items():
            more = f" and {len(changed) - _MOST_CHANGES} more" if len(changed) > _MOST_CHANGES else ""
            told.append(f"{', '.join(names)} ({'; '.join(changed[:_MOST_CHANGES])}{more})")
        return "; ".join(told)


def stale_columns(state: RunState, scoring: Scoring) -> Stale:
    """Columns of the recipe that the run has recorded with other facts."""
    columns: dict[str, list[str]] = {}
    asked = False
    for one in scoring.planned:
        before = state.column_facts(one.name)
        if before is not None and state.fingerprints[one.name] != one.fingerprint:
            columns[one.name] = changes(before, one.facts)
            asked = asked or not only_environment(before, one.facts)
    return Stale(columns, asked)


def refuse_stale(stale: Stale, where: str, *, missing: bool) -> None:
    """Refuse to go on where stored scores are not those that the recipe asks for.

    Where only libraries changed and nothing has to be computed, the scores stand as they are.

    Args:
        stale: What changed.
        where: The run directory.
        missing: Whether anything has to be computed, which would then not match the rest.

    Raises:
        StaleScoresError: It is so.
    """
    if stale and (stale.asked or missing):
        raise StaleScoresError(
            f"stored scores were computed in another way: {stale.sentence}",
            where=where,
            act=f"pass --rescore to compute these columns again, {_GO_BACK}",
        )


@dataclass(frozen=True, slots=True)
class Work:
    """What is to be computed.

    Attributes:
        whole: Ids of partitions that are scored as a whole.
        columns: For other partitions that lack something, what they lack: columns to ids of partitions.
    """

    whole: tuple[str, ...]
    columns: Mapping[tuple[str, ...], tuple[str, ...]]

    @property
    def partitions(self) -> set[str]:
        """Ids of all partitions with something to do."""
        return {*self.whole, *(one for ids in self.columns.values() for one in ids)}


def plan_work(
    partition_ids: Sequence[str],
    parts: Mapping[str, Fingerprints | None],
    wanted: Fingerprints,
    again: Collection[str] = (),
) -> Work:
    """Compare what parts hold with what is wanted.

    Args:
        partition_ids: All partitions, in source order.
        parts: Partition to the fingerprints of its columns; None where there is no part, or a torn one.
        wanted: Column to fingerprint.
        again: Partitions whose files changed: they are scored as a whole.
    """
    whole: list[str] = []
    columns: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for partition_id in partition_ids:
        held = parts.get(partition_id)
        if held is None or partition_id in again or held.get(RECORDS) != wanted[RECORDS]:
            whole.append(partition_id)
            continue
        lacking = tuple(name for name, value in wanted.items() if held.get(name) != value)
        if lacking:
            columns[lacking].append(partition_id)
    return Work(tuple(whole), {lacking: tuple(ids) for lacking, ids in columns.items()})

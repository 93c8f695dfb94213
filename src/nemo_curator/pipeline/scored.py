"""What a run holds: whether all of it is scored, and which verdicts stand in it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

from nemo_curator import storage
from nemo_curator.errors import IncompleteRunError
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.partitions import read_partition_ids
from nemo_curator.runs.parts import PartFacts, facts_of
from nemo_curator.runs.state import RunState

_SCORE = "finish scoring with `imagecurator score INPUT RUN`, or `run`"


def decision_of(run: RunDirectory) -> str:
    """A name for the verdicts that stand in a run: 16 hex digits, equal for equal verdicts."""
    with storage.open(run.decisions, whole=True) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]  # type: ignore[arg-type]  # it is read like one


def scored_inputs(run: RunDirectory, partition_ids: Iterable[str]) -> int:
    """How many inputs the parts of some partitions have, from their ends alone; torn ones do not count."""
    return sum(facts.rows for facts in facts_of(run, partition_ids) if facts is not None)


def scored_partitions(run: RunDirectory, state: RunState | None = None) -> list[str]:
    """Ids of a run's partitions, in source order, all of which are there.

    Args:
        run: The run directory.
        state: Where given, no partition may hold a column that was computed in another way than the run records: a
            rescoring that was interrupted leaves such.

    Raises:
        IncompleteRunError: Some are not.
    """
    return [partition_id for partition_id, _ in scored_parts(run, state)]


def scored_parts(run: RunDirectory, state: RunState | None = None) -> Iterator[tuple[str, PartFacts]]:
    """The same with what each part says of itself, from one look at its end.

    Args:
        run: The run directory.
        state: As for `scored_partitions`.

    Yields:
        (partition id, facts), in source order.

    Raises:
        IncompleteRunError: Some are not there; behind the last one, when it is known how many.
    """
    ids = read_partition_ids(run)
    if not ids:
        raise IncompleteRunError("nothing is scored here yet", where=run.root, act=_SCORE)
    recorded = state.fingerprints if state is not None else {}
    missing: list[str] = []
    other: tuple[str, list[str]] | None = None
    for one, facts in zip(ids, facts_of(run, ids), strict=True):
        if facts is None:
            missing.append(one)
            continue
        old = [name for name, mark in facts.fingerprints.items() if recorded.get(name, mark) != mark]
        if old and other is None:
            other = one, old
        yield one, facts
    if missing:
        raise IncompleteRunError(
            f"{len(missing):,} of {len(ids):,} partitions are not scored, or damaged",
            where=run.root,
            cause=f"the first is {run.part(missing[0])}",
            act=_SCORE,
        )
    if other is not None:
        raise IncompleteRunError(
            f"some partitions hold {', '.join(sorted(other[1])[:5])} as computed before the last change",
            where=run.root,
            cause=f"a scoring with --rescore was interrupted; the first is {run.part(other[0])}",
            act="give the same `score` or `run` command again",
        )

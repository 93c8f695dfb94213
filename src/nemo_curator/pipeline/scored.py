"""What a run holds: whether all of it is scored, and which verdicts stand in it."""

from __future__ import annotations

import hashlib

from nemo_curator import storage
from nemo_curator.errors import IncompleteRunError
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.partitions import read_partition_ids
from nemo_curator.runs.parts import part_fingerprints
from nemo_curator.runs.state import RunState

_SCORE = "finish scoring with `imagecurator score INPUT RUN`, or `run`"


def decision_of(run: RunDirectory) -> str:
    """A name for the verdicts that stand in a run: 16 hex digits, equal for equal verdicts."""
    with storage.open(run.decisions) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]  # type: ignore[arg-type]  # it is read like one


def scored_partitions(run: RunDirectory, state: RunState | None = None) -> list[str]:
    """Ids of a run's partitions, in source order, all of which are there.

    Args:
        run: The run directory.
        state: Where given, no partition may hold a column that was computed in another way than the run records: a
            rescoring that was interrupted leaves such.

    Raises:
        IncompleteRunError: Some are not.
    """
    ids = read_partition_ids(run)
    if not ids:
        raise IncompleteRunError("nothing is scored here yet", where=run.root, act=_SCORE)
    marks = {one: part_fingerprints(run, one) for one in ids}
    missing = [one for one in ids if marks[one] is None]
    if missing:
        raise IncompleteRunError(
            f"{len(missing):,} of {len(ids):,} partitions are not scored, or damaged",
            where=run.root,
            cause=f"the first is {run.part(missing[0])}",
            act=_SCORE,
        )
    recorded = state.fingerprints if state is not None else {}
    for one in ids:
        old = [name for name, mark in (marks[one] or {}).items() if recorded.get(name, mark) != mark]
        if old:
            raise IncompleteRunError(
                f"some partitions hold {', '.join(sorted(old)[:5])} as computed before the last change",
                where=run.root,
                cause=f"a scoring with --rescore was interrupted; the first is {run.part(one)}",
                act="give the same `score` or `run` command again",
            )
    return ids

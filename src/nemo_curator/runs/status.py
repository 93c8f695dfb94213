"""How far a run is: read from its files alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nemo_curator import storage
from nemo_curator.runs.exporting import delivered
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.lying_there import parts_there
from nemo_curator.runs.partitions import read_partitions
from nemo_curator.runs.parts import facts_of
from nemo_curator.runs.state import RunState


@dataclass(frozen=True, slots=True)
class ExportStatus:
    """One data set that a run was exported to.

    Attributes:
        output: Where.
        state: `complete`; `complete, of earlier verdicts` where the run was decided otherwise since; `interrupted`; or
            `gone` where no manifest of this export is there any more. Samples taken out since are counted behind it.
        finished: When it was complete, or "".
    """

    output: str
    state: str
    finished: str


@dataclass(frozen=True, slots=True)
class RunStatus:
    """The state of a run.

    Attributes:
        run: The run directory.
        at_work: Whether a process is at work in it at this moment.
        started: When it was started first.
        finished: When the last `run` ended, or "".
        partitions: Number of partitions.
        scored: Number of partitions with a part.
        missing: Positions of the partitions without one in source order, counted from 0.
        damaged: Paths of parts that are torn; the next scoring computes them again.
        records: Input records in the parts.
        bytes: Bytes of the input.
        columns: Column to the number of partitions that have it as recorded.
        notes: What the last scoring had to say.
        ignored: Number of files that were seen and are no input.
        funnel: How the inputs ended by the last decision, as plain data; None before one.
        decided: Whether the verdicts are there.
        warnings: What that decision found odd about its rules: `rule`, `kind`, and one sentence `text` each.
        exports: Data sets.
    """

    run: str
    at_work: bool
    started: str
    finished: str
    partitions: int
    scored: int
    missing: tuple[int, ...]
    damaged: tuple[str, ...]
    records: int
    bytes: int
    columns: Mapping[str, int]
    notes: tuple[str, ...]
    ignored: int
    funnel: Mapping[str, Any] | None
    decided: bool
    warnings: tuple[Mapping[str, str], ...]
    exports: tuple[ExportStatus, ...]


def run_status(run: RunDirectory, state: RunState | None = None) -> RunStatus:
    """Look at a run, which may be at work.

    Args:
        run: The run.
        state: Its state, where it is read already.

    Raises:
        MissingRunError: There is no run.
    """
    state = state or RunState.require(run)
    partitions = read_partitions(run)
    recorded = state.fingerprints
    held: Counter[str] = Counter()
    records = scored = 0
    there = parts_there(run)
    missing = [position for position, one in enumerate(partitions) if one.id not in there]
    begun = [(position, one.id) for position, one in enumerate(partitions) if one.id in there]
    damaged = []
    for (position, partition_id), facts in zip(begun, facts_of(run, (one for _, one in begun)), strict=True):
        if facts is None:
            missing.append(position)
            damaged.append(run.part(partition_id))
            continue
        scored += 1
        records += facts.rows
        held.update(name for name, value in facts.fingerprints.items() if recorded.get(name) == value)
    return RunStatus(
        run=run.root,
        at_work=storage.is_locked(run.root),
        started=str(state.facts.get("started", "")),
        finished=str(state.facts.get("finished", "")),
        partitions=len(partitions),
        scored=scored,
        missing=tuple(sorted(missing)),
        damaged=tuple(damaged),
        records=records,
        bytes=sum(one.size for one in partitions),
        columns={name: held[name] for name in recorded},
        notes=tuple(state.facts.get("notes") or ()),
        ignored=len(state.facts.get("ignored") or ()),
        funnel=state.facts.get("funnel"),
        decided="funnel" in state.facts and storage.exists(run.decisions),
        warnings=tuple(state.warnings),
        exports=tuple(_export(one, state.facts.get("decision")) for one in state.facts["exports"]),
    )


def _export(facts: Mapping[str, Any], decision: str | None) -> ExportStatus:
    output = str(facts["output"])
    manifest = delivered(output)
    if "export" not in facts:  # its manifest comes last, so that one is there says that nothing is missing
        state = "interrupted" if manifest is None else "complete"
    else:
        state = "complete" if manifest is not None and manifest.get("export") == facts["export"] else "gone"
        if state == "complete" and facts.get("decision") != decision:
            state = "complete, of earlier verdicts"
        if manifest is not None and state != "gone" and manifest.get("removed"):
            state = f"{state}, {manifest['removed']} taken out since"
    return ExportStatus(output, state, str(facts.get("finished", "")))

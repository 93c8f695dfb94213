"""What a scoring would do, or did, in words and for machines."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from nemo_curator.cli.amounts import amount, counted
from nemo_curator.cli.means import means_facts, means_lines
from nemo_curator.pipeline.score_notes import left_out, left_out_briefly
from nemo_curator.pipeline.score_plan import ScorePlan
from nemo_curator.pipeline.scoring import Stage, stands_on_stored


def score_plan_facts(plan: ScorePlan) -> dict[str, Any]:
    """The plan as plain data, as `--json` prints it."""
    return {
        "run": plan.run.root,
        "shard": None if plan.shard is None else str(plan.shard),
        "partitions": len(plan.partitions),
        "to_score": len(plan.work.partitions),
        "bytes": plan.bytes,
        "columns": [column.name for column in plan.scoring.columns],
        "stages": [stage.name for stage in plan.scoring.stages],
        "partly": [
            {
                "columns": list(columns),
                "partitions": len(ids),
                "stages": [stage.name for stage in _stages(plan, columns)],
                "stored_embeddings": stands_on_stored(_stages(plan, columns)),
            }
            for columns, ids in plan.work.columns.items()
        ],
        "new_partitions": len(plan.growth.new),
        "changed": list(plan.growth.changed_files),
        "vanished": list(plan.growth.vanished_files),
        "ignored": [path for path, _ in plan.ignored],
        "means": None if plan.means is None else means_facts(plan.means),
        "notes": [*left_out(plan.scoring), *plan.notes, *plan.dropped],
    }


def print_score_plan(plan: ScorePlan, then: str = "") -> None:
    """What would be scored.

    Args:
        plan: The plan.
        then: What would come after it, in words.
    """
    total, todo = len(plan.share), len(plan.work.partitions)
    work = f"{total - todo:,} scored already, {todo:,} to do ({amount(plan.bytes)} to read)"
    lines = [f"{_files(plan)} in {counted(total, 'partition')}: {work}"]
    if plan.work.whole:
        stages = ", ".join(stage.name for stage in plan.scoring.stages) or "nothing"
        lines.append(f"  {len(plan.work.whole):,} of which nothing is scored: {stages}")
    for columns, ids in plan.work.columns.items():
        source = " (from the stored embeddings)" if stands_on_stored(_stages(plan, columns)) else ""
        lines.append(f"  {len(ids):,} lack {', '.join(columns)}{source}")
    lines += [] if plan.means is None else means_lines(plan.means)
    lines += [f"note: {note}" for note in (*left_out_briefly(plan.scoring), *plan.notes)]
    lines += [f"warning: {sentence}" for sentence in plan.dropped]
    lines.append(f"run:    {plan.run.root}")
    lines += [f"then:   {then}"] if then else []
    sys.stdout.write("\n".join(lines) + "\nThis was a dry run: nothing is written.\n")


def after_run(output: str, *, finished: bool, replace: bool) -> str:
    """What `run` does when all is scored.

    Args:
        output: The data set.
        finished: Whether a finished one lies there.
        replace: Whether it may be replaced.
    """
    if finished and not replace:
        return f"decide again; the data set in {output} is finished, and would stay as it is"
    place = f", in the place of the data set in {output}" if finished else f" to {output}"
    return f"decide what becomes of each input, and export what is kept{place}"


def after_score(plan: ScorePlan) -> str:
    """What is left after `score`, where there is nothing for it to do."""
    return "" if plan.work.partitions else f"nothing to do; `imagecurator decide {plan.run.root}` is next"


def _files(plan: ScorePlan) -> str:
    """What there is to score, as far as it is known unread: `472 images and 3 shards`."""
    entries = [one for partition in plan.share for one in partition.entries]
    shards = sum(one.is_shard for one in entries)
    strays = sum(one.kind == "stray" for one in entries)
    counts = ((len(entries) - shards - strays, "image"), (shards, "shard"), (strays, "other file"))
    return ", ".join(counted(count, what) for count, what in counts if count) or "nothing"


def _stages(plan: ScorePlan, columns: Sequence[str]) -> Sequence[Stage]:
    """The stages that compute some columns, if all is as the plan found it."""
    return plan.scoring.ways(columns)[0]


def print_scored(plan: ScorePlan, records: int, *, was_decided: bool = False) -> None:
    """What was scored, and what comes next; `was_decided` where that ended an earlier decision."""
    done = len(plan.work.partitions)
    partitions = counted(len(plan.partitions), "partition")
    lines = [f"scored: {counted(records, 'input')} in {partitions}, {done:,} of these just now"]
    if plan.shard is not None:
        lines[0] = f"scored: {counted(records, 'input')} of this shard, {done:,} partitions of it just now"
        lines.append(
            f"shard:  {plan.shard}, {len(plan.share):,} of {partitions}; `imagecurator status` tells what is missing"
        )
    before = "the decision of before no longer stands: " if was_decided else ""
    lines += [f"run:    {plan.run.root}", f"next:   {before}imagecurator decide {plan.run.root}"]
    sys.stdout.write("\n".join(lines) + "\n")

"""Run a pipeline so that what is done stays done.

One process runs the pipeline and holds the checkpoint directory; it alone writes there, as each partition comes in.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from loguru import logger

from nemo_curator import storage
from nemo_curator.backends.base import BaseExecutor
from nemo_curator.errors import StageError, WeightsNotFoundError
from nemo_curator.pipeline.checkpointing.description import digest
from nemo_curator.pipeline.checkpointing.directory import CheckpointDirectory
from nemo_curator.pipeline.checkpointing.identity import Identity, identities, missing_witness, witnesses
from nemo_curator.pipeline.checkpointing.opaque import OpaqueError
from nemo_curator.pipeline.checkpointing.plan import Stage, plan_of
from nemo_curator.redaction import redacted
from nemo_curator.stages.worker import NodeInfo, WorkerMetadata
from nemo_curator.tasks import EmptyTask, ImageBatch, Record, Task


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a partition, or a run, gave.

    Attributes:
        tasks: The results, in source order.
        records: What was rejected or quarantined on the way, in source order, whether a result carries it or not.
    """

    tasks: list[Task[Any]]
    records: list[Record]


def run_with_checkpoint(
    executor: BaseExecutor, stages: Sequence[Stage], initial_tasks: Sequence[Task[Any]] | None, root: str
) -> Outcome:
    """Run stages over tasks, taking from a checkpoint directory what is there and adding what is not.

    Args:
        executor: Where to run.
        stages: Stages without composites.
        initial_tasks: What the first stage gets; one `EmptyTask` by default.
        root: The directory, a path or URL; made if it is missing.

    Raises:
        OutputExistsError: It holds something else, or the checkpoint of another pipeline.
        LockedError: Another process is at work there.
        StorageError: It cannot be written.
        StageError: A stage failed on everything, or a stage, task or result cannot be kept.
    """
    root = storage.local_path(root)  # as listings name it
    with storage.locked(root):
        remaining = list(stages)
        tasks, records = _partitions(executor, remaining, initial_tasks)
        if not remaining or not tasks:
            return Outcome(tasks, records)
        _bring_weights(remaining)
        plan = plan_of(remaining)
        known = identities(tasks)
        directory = CheckpointDirectory(root)
        directory.claim(plan)
        work = _Work(directory, digest(plan), known)
        outcomes = work.done()
        missing = [index for index in range(len(tasks)) if index not in outcomes]
        logger.info("checkpoint {}: {} of {} partitions are done", redacted(root), len(outcomes), len(tasks))
        if missing:
            # copies: what `setup` loads into a stage in this process must not count as a parameter next time
            fresh = [copy.copy(stage) for stage in remaining]
            with closing(executor.execute_each(fresh, [tasks[index] for index in missing])) as results:
                for place, given, left in results:
                    outcomes[missing[place]] = outcome = Outcome(given, left)
                    work.keep(missing[place], outcome)
    ordered = [outcomes[index] for index in sorted(outcomes)]
    records += [record for outcome in ordered for record in outcome.records]
    return Outcome([task for outcome in ordered for task in outcome.tasks], records)


def _bring_weights(stages: Sequence[Stage]) -> None:
    """Let stages fetch weights that are missing before the run, as they would in it: a plan is told by their bytes."""
    for stage in stages:
        try:
            stage.provenance()
        except WeightsNotFoundError:
            copy.copy(stage).setup_on_node(NodeInfo("local"), WorkerMetadata("local"))


def _partitions(
    executor: BaseExecutor, remaining: list[Stage], initial_tasks: Sequence[Task[Any]] | None
) -> tuple[list[Task[Any]], list[Record]]:
    """The tasks that start the work, after the stages that make them of nothing were taken off the list."""
    tasks = [task() if isinstance(task, type) else task for task in initial_tasks or [EmptyTask()]]
    records: list[Record] = []
    while remaining and tasks and all(isinstance(task, EmptyTask) for task in tasks):
        tasks = executor.execute([remaining.pop(0)], tasks)
        records += executor.records
    for index, task in enumerate(tasks):
        task.task_id = task.task_id or str(index)
    return tasks, records


@dataclass(frozen=True, slots=True)
class _Work:
    """The partitions of a run and where their results are kept."""

    directory: CheckpointDirectory
    plan: str
    known: Sequence[Identity]

    def done(self) -> dict[int, Outcome]:
        """What earlier runs kept, by the partition's index."""
        found = {index: self._kept(identity) for index, identity in enumerate(self.known)}
        return {index: outcome for index, outcome in found.items() if outcome is not None}

    def keep(self, index: int, outcome: Outcome) -> None:
        """Keep what a partition gave.

        Raises:
            StageError: It is of a kind that cannot be kept.
            StorageError: It cannot be written.
        """
        identity = self.known[index]
        places = {
            id(record): [number, place]
            for number, task in enumerate(outcome.tasks)
            if isinstance(task, ImageBatch)
            for place, record in enumerate(task.records)
        }
        contents = {
            "plan": self.plan,
            "state": identity.state,
            "task_id": identity.task_id,
            "files": witnesses(outcome.tasks),
            "results": outcome.tasks,
            "records": [places.get(id(record), record) for record in outcome.records],  # carried ones by their place
        }
        try:
            self.directory.save(identity.key, contents)
        except OpaqueError as error:
            raise StageError(
                f"what task {identity.task_id!r} gave cannot be kept in a checkpoint: it holds a {error.kind}",
                where=error.path.replace("['results']", "results").replace("['records']", "records"),
                cause="only data is kept: texts, numbers, bytes, lists, dicts, arrays, tables and our own tasks",
                act="end the pipeline with a stage that writes files or gives rows, or run without checkpoint_path",
            ) from error

    def _kept(self, identity: Identity) -> Outcome | None:
        contents = self.directory.load(identity.key)
        if contents is None or contents["plan"] != self.plan:
            return None
        if contents["state"] != identity.state:
            logger.info("task {} or one of its files is not what it was, so it is run again", identity.task_id)
            return None
        if gone := missing_witness(contents["files"]):
            logger.warning(
                "{} is gone or changed, so task {}, which made it, is run again", redacted(gone), identity.task_id
            )
            return None
        return _restored(contents, identity.task_id)


def _restored(contents: Mapping[str, Any], task_id: str) -> Outcome:
    """What a partition gave, with ids that continue the one which its task has now: new input may have shifted it."""
    tasks, old = contents["results"], contents["task_id"]
    for task in tasks:
        if task.task_id == old or task.task_id.startswith(f"{old}."):
            task.task_id = task_id + task.task_id[len(old) :]
    records = [tasks[one[0]].records[one[1]] if isinstance(one, list) else one for one in contents["records"]]
    return Outcome(tasks, records)

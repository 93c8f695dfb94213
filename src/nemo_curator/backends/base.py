"""What every executor shares: the adapter around a stage, and the executor's one verb."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Generator, Mapping, Sequence
from typing import Any

from nemo_curator.errors import StageError
from nemo_curator.stages.base import ProcessingStage
from nemo_curator.stages.worker import NodeInfo, WorkerMetadata
from nemo_curator.tasks import Record, StagePerfStats, Task

__all__ = ["BaseExecutor", "BaseStageAdapter", "NodeInfo", "WorkerMetadata"]

Stage = ProcessingStage[Any, Any]


class BaseStageAdapter:
    """Calls one stage on behalf of an executor, and notes what each call cost.

    Attributes:
        stage: The stage.
        seconds: What its calls took since somebody last set this to 0.
    """

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.seconds = 0.0

    def setup_on_node(self, node_info: NodeInfo | None = None, worker_metadata: WorkerMetadata | None = None) -> None:
        """Prepare the host. Arguments go by position: stages differ in what they call them."""
        self.stage.setup_on_node(node_info, worker_metadata)

    def setup(self, worker_metadata: WorkerMetadata | None = None) -> None:
        """Prepare the worker."""
        self.stage.setup(worker_metadata)

    def teardown(self) -> None:
        """Release what `setup` took."""
        self.stage.teardown()

    def process_batch(self, tasks: list[Task[Any]]) -> list[Task[Any]]:
        """Run the stage on tasks; every result carries the call's timings and a task id.

        Raises:
            StageError: The stage gave something that is no task.
        """
        start = time.perf_counter()
        results = list(self.stage.process_batch(tasks))
        for result in results:
            if not isinstance(result, Task):
                raise StageError(
                    f"stage {self.stage.name!r} gave {result!r:.100}, which is no task",
                    act="return a task, a list of tasks, or None from process()",
                )
        self.note(tasks, results, time.perf_counter() - start)
        return results

    def note(self, tasks: Sequence[Task[Any]], results: Sequence[Task[Any]], seconds: float) -> None:
        """Stamp results with what the call cost, and with ids where the stage gave none."""
        self.seconds += seconds
        items = sum(task.num_items for task in tasks)
        perf = StagePerfStats(self.stage.name, seconds, items, self.stage._take_metrics())  # noqa: SLF001 (the runner's door)
        if tasks:
            _continue_ids(tasks, results)
        for index, result in enumerate(results):
            if tasks and not any(result is task for task in tasks):
                parent = tasks[index if len(results) == len(tasks) else 0]
                result.dataset_name = result.dataset_name or parent.dataset_name
                result._stage_perf = result._stage_perf or parent._stage_perf
            result._stage_perf = [*result._stage_perf, perf]  # a new list: batches may share one


def _continue_ids(tasks: Sequence[Task[Any]], results: Sequence[Task[Any]]) -> None:
    """Ids for results without one, and for those that share one: writers name files by it.

    One result a task continues that task's id. Where a call gives several, all of them continue it with their number,
    so that no id is ever the beginning of a sibling's.
    """
    one_each = len(results) == len(tasks)
    given = {task.task_id for task in tasks}
    unnamed = ("", "empty")
    ids = [
        tasks[index].task_id if one_each and result.task_id in unnamed else result.task_id
        for index, result in enumerate(results)
    ]
    one_at_most = one_each or given.issuperset(ids)  # of each task
    distinct = len(set(ids)) == len(ids) and (one_at_most or not given.union(unnamed).intersection(ids))
    for index, result in enumerate(results):
        if distinct:
            result.task_id = ids[index]
        elif result.task_id in unnamed:
            result.task_id = f"{tasks[0].task_id}.{index}"
        elif result.task_id in given or ids.count(result.task_id) > 1:
            result.task_id = f"{result.task_id}.{index}"


class BaseExecutor(ABC):
    """Runs stages over tasks.

    Attributes:
        config: Executor settings by name.
        records: After `execute`: every image that was rejected or quarantined on the way, in source order.
    """

    def __init__(self, config: Mapping[str, Any] | None = None) -> None:
        self.config: dict[str, Any] = dict(config or {})
        self.records: list[Record] = []

    @abstractmethod
    def execute(self, stages: Sequence[Stage], initial_tasks: Sequence[Task[Any]] | None = None) -> list[Task[Any]]:
        """Run the stages over the tasks, in order, and return what the last stage gives, in source order.

        Args:
            stages: Stages without composites (a `Pipeline` expands them).
            initial_tasks: What the first stage gets; one `EmptyTask` by default.

        Raises:
            StageError: A stage failed on everything it was given, or broke its contract.
        """

    def execute_each(
        self, stages: Sequence[Stage], tasks: Sequence[Task[Any]]
    ) -> Generator[tuple[int, list[Task[Any]], list[Record]], None, None]:
        """Run the stages over each task, giving what became of it as soon as that is known: for checkpoints.

        Here the tasks are run one after another, which every executor can do. One that works on several at once gives
        its own.

        Args:
            stages: Stages without composites.
            tasks: What the first stage gets; none of them is an `EmptyTask`.

        Yields:
            (Index of a task, what the last stage gives for it, its records in source order), in no particular order.

        Raises:
            StageError: A stage failed on everything it was given, or broke its contract.
        """
        for index, task in enumerate(tasks):
            results = self.execute(stages, [task])
            yield index, results, list(self.records)

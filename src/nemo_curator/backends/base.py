"""What every executor shares: the adapter around a stage, and the executor's one verb."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from nemo_curator.stages.base import ProcessingStage
from nemo_curator.stages.worker import NodeInfo, WorkerMetadata
from nemo_curator.tasks import Record, StagePerfStats, Task

__all__ = ["BaseExecutor", "BaseStageAdapter", "NodeInfo", "WorkerMetadata"]

Stage = ProcessingStage[Any, Any]


class BaseStageAdapter:
    """Calls one stage on behalf of an executor, and notes what each call cost."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage

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
        """Run the stage on tasks; every result carries the call's timings and a task id."""
        start = time.perf_counter()
        results = list(self.stage.process_batch(tasks))
        self.note(tasks, results, time.perf_counter() - start)
        return results

    def note(self, tasks: Sequence[Task[Any]], results: Sequence[Task[Any]], seconds: float) -> None:
        """Stamp results with what the call cost, and with ids where the stage gave none."""
        items = sum(task.num_items for task in tasks)
        perf = StagePerfStats(self.stage.name, seconds, items, self.stage._take_metrics())  # noqa: SLF001 (the runner's door)
        inherited = tasks[0] if tasks else None
        for index, result in enumerate(results):
            if inherited is not None and result is not inherited:
                self._inherit(result, inherited, index, alone=len(results) == 1)
            result._stage_perf = [*result._stage_perf, perf]  # noqa: SLF001 (a new list: batches may share one)

    @staticmethod
    def _inherit(result: Task[Any], parent: Task[Any], index: int, *, alone: bool) -> None:
        """A result without an id or timings of its own continues its parent's."""
        if not result.task_id or result.task_id == "empty":
            result.task_id = parent.task_id if alone else f"{parent.task_id}.{index}"
        if not result.dataset_name:
            result.dataset_name = parent.dataset_name
        if not result._stage_perf:  # noqa: SLF001 (a documented field of the public API)
            result._stage_perf = parent._stage_perf  # noqa: SLF001


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

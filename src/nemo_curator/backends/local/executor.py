"""The local executor."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import cloudpickle

from nemo_curator.backends.base import BaseExecutor, Stage
from nemo_curator.backends.chain import StageChain
from nemo_curator.backends.local.messages import Done
from nemo_curator.backends.local.supervisor import Supervisor
from nemo_curator.tasks import EmptyTask, Record, Task

DEFAULT_IMAGE_SECONDS = 60.0


class LocalExecutor(BaseExecutor):
    """Runs pipelines on worker processes of this machine; needs no server.

    Stages that start from nothing (an `EmptyTask`) run here and make the list of partitions; each partition then goes
    through all other stages, fused, in one worker. Results come back in source order. A worker that dies costs one
    retry, and the image it died on twice is quarantined.

    Args:
        config: `num_workers` (default: CPU cores this process may use; 0 runs in this process, without isolation, for a
            debugger) and `image_seconds` (default 60; how long one image may take).
        progress: Called with (partition index, number of further records read) while running.
        on_done: Called with (partition index, resulting tasks) as each partition is done, in no particular order.
    """

    def __init__(
        self,
        config: Mapping[str, Any] | None = None,
        progress: Callable[[int, int], None] = lambda *_: None,
        on_done: Callable[[int, list[Task[Any]]], None] = lambda *_: None,
    ) -> None:
        super().__init__(config)
        self._progress = progress
        self._on_done = on_done

    def execute(self, stages: Sequence[Stage], initial_tasks: Sequence[Task[Any]] | None = None) -> list[Task[Any]]:
        """Run the stages over the tasks, in order, and return what the last stage gives, in source order."""
        tasks = [task() if isinstance(task, type) else task for task in initial_tasks or [EmptyTask()]]
        remaining = list(stages)
        self.records: list[Record] = []
        while remaining and tasks and all(isinstance(task, EmptyTask) for task in tasks):
            tasks, records = _here([remaining.pop(0)], tasks)
            self.records += records
        for index, task in enumerate(tasks):
            task.task_id = task.task_id or str(index)
        if not remaining or not tasks:
            return tasks
        results: dict[int, list[Task[Any]]] = {}
        gone: dict[int, list[Record]] = {}
        for index, done, records in self._partitions(remaining, tasks):
            results[index], gone[index] = done, records
            self._on_done(index, done)
        self.records += [record for index in sorted(gone) for record in gone[index]]
        ordered = [task for index in sorted(results) for task in results[index]]
        self.records += [record for task in ordered for record in getattr(task, "records", [])]
        return ordered

    def _partitions(
        self, stages: list[Stage], tasks: list[Task[Any]]
    ) -> Iterator[tuple[int, list[Task[Any]], list[Record]]]:
        workers = self.config.get("num_workers")
        if workers is None:
            workers = usable_cores()
        if workers == 0:
            yield from self._in_process(stages, tasks)
            return
        seconds = float(self.config.get("image_seconds", DEFAULT_IMAGE_SECONDS))
        supervisor = Supervisor(cloudpickle.dumps(stages), min(workers, len(tasks)), seconds, self._progress)
        for index, done in supervisor.run(tasks):
            yield index, _unpacked(done), done.records

    def _in_process(
        self, stages: list[Stage], tasks: list[Task[Any]]
    ) -> Iterator[tuple[int, list[Task[Any]], list[Record]]]:
        current = 0
        chain = StageChain(stages, progress=lambda count: self._progress(current, count))
        chain.setup()
        for current, task in enumerate(tasks):
            chain.records = []
            done = list(chain.run(task))
            yield current, done, chain.records
        chain.teardown()


def usable_cores() -> int:
    """CPU cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _here(stages: list[Stage], tasks: list[Task[Any]]) -> tuple[list[Task[Any]], list[Record]]:
    chain = StageChain(stages)
    chain.setup()
    results = [result for task in tasks for result in chain.run(task)]
    chain.teardown()
    return results, chain.records


def _unpacked(done: Done) -> list[Task[Any]]:
    tasks: list[Task[Any]] = cloudpickle.loads(done.tasks)
    return tasks

"""Keeps workers busy and survives their deaths.

One thread owns everything here: it waits on all sockets at once, hands out partitions in order, and answers deaths.
A partition that cost a worker is tried again. The image that stood in the worker's position page is suspected; when it
costs a second worker it is quarantined and the partition is tried again without decoding it. A partition that costs
two workers without a suspect is quarantined whole.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from multiprocessing.connection import wait
from typing import Any

import cloudpickle

from nemo_curator.backends.local.messages import Assignment, Done, Failed, Progress, Ready
from nemo_curator.backends.local.process import WorkerProcess
from nemo_curator.errors import StageError
from nemo_curator.tasks import FileGroupTask, Task

_TICK = 0.2  # seconds between looks at what workers are working on


class Supervisor:
    """Runs partitions on worker processes.

    Args:
        stages: A cloudpickle of the stages, not yet set up.
        workers: Number of worker processes.
        image_seconds: Time one image may take before its worker is killed.
        progress: Called with (partition index, number of further records read).
    """

    def __init__(
        self, stages: bytes, workers: int, image_seconds: float, progress: Callable[[int, int], None] = lambda *_: None
    ) -> None:
        self._stages = stages
        self._image_seconds = image_seconds
        self._progress = progress
        self._wanted = workers
        self._workers: list[WorkerProcess] = []
        self._started = 0
        self._queue: deque[Assignment] = deque()

    def run(self, tasks: Sequence[Task[Any]]) -> Iterator[tuple[int, Done]]:
        """Run all partitions, yielding (index, result) as each is done, in no particular order.

        Raises:
            StageError: A stage failed on everything, or a worker cannot be set up.
        """
        self._queue.extend(Assignment(index, task) for index, task in enumerate(tasks))
        left = len(tasks)
        try:
            for _ in range(min(self._wanted, left)):
                self._start_worker()
            while left:
                for done in self._step():
                    left -= 1
                    yield done.index, done
            for worker in self._workers:
                worker.stop()
            self._workers = []
        finally:
            for worker in self._workers:  # an error or Ctrl-C: nobody waits for work that nobody wants
                worker.kill()
            self._workers = []

    def _start_worker(self) -> None:
        self._workers.append(WorkerProcess(f"worker-{self._started}", self._stages, on_node=self._started == 0))
        self._started += 1

    def _step(self) -> Iterator[Done]:
        """Wait for messages for one tick, and answer them."""
        channels = {worker.channel: worker for worker in self._workers}
        for channel in wait(list(channels), timeout=_TICK):
            worker = channels[channel]  # type: ignore[index]  # wait() returns what it was given
            try:
                message = worker.channel.recv()
            except (EOFError, OSError):
                suspect, _ = worker.position.read()
                self._answer_death(worker, suspect, worker.bury())
                continue
            if isinstance(message, Failed):
                raise message.error
            if isinstance(message, Progress):
                self._progress(message.index, message.records)
            elif isinstance(message, Ready):
                self._give_work(worker)
            elif isinstance(message, Done):
                yield message
                self._give_work(worker)
        self._end_stuck_workers()

    def _give_work(self, worker: WorkerProcess) -> None:
        worker.assignment = None
        if self._queue:
            assignment = self._queue.popleft()
            worker.give(assignment, cloudpickle.dumps(assignment.task))

    def _end_stuck_workers(self) -> None:
        for worker in list(self._workers):
            image_id, seconds = worker.position.read()
            if image_id and seconds > self._image_seconds:
                worker.kill()
                self._answer_death(worker, image_id, f"killed after {self._image_seconds:g} seconds on one image")

    def _answer_death(self, worker: WorkerProcess, suspect: str, how: str) -> None:
        self._workers.remove(worker)
        assignment = worker.assignment
        if assignment is None:
            raise StageError(
                f"a worker {how} while its stages were set up",
                cause="a native library crashed or memory ran out",
                act="run `imagecurator doctor`, or use fewer workers",
            )
        self._queue.appendleft(self._next_try(assignment, suspect, how))
        self._start_worker()

    def _next_try(self, assignment: Assignment, suspect: str, how: str) -> Assignment:
        deaths = [*assignment.deaths, suspect]
        if deaths.count(suspect) < 2:
            return replace(assignment, deaths=deaths)
        if not isinstance(assignment.task, FileGroupTask):
            raise StageError(
                f"task {assignment.task.task_id!r} cost two workers, which were {how}",
                cause="a stage crashes the process or takes more memory than there is",
                act="run that task alone with LocalExecutor({'num_workers': 0}) to see where",
            )
        poison = {**assignment.task._metadata.get("poison", {}), suspect: f"its worker was {how}, twice"}  # noqa: SLF001
        task = replace(assignment.task, _metadata={**assignment.task._metadata, "poison": poison})  # noqa: SLF001
        return Assignment(assignment.index, task, deaths)

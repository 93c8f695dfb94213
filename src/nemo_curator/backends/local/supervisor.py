"""Keeps workers busy and survives their deaths.

One thread owns everything here: it waits on all sockets at once, hands out partitions in order, and answers deaths.
A partition that cost a worker is tried again, from the batch on that was in work: what the batches before it gave is in
the partition's journal. The image that stood in the worker's position page is suspected; when it
costs a second worker it is condemned, and the partition is tried again without it. When no image stood there, the next
try is a careful one, in which every stage gets every image alone and watched. A partition that costs two workers and
never shows a suspect is condemned whole. A worker that died while it waited for another process did not die of an
image: what it was at is tried again as often as it takes, within reason. An inference process that is waited for and
gives nothing for too long is ended, and replaced as one that died.
"""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import replace
from multiprocessing.connection import wait
from typing import Any

import cloudpickle

from nemo_curator import storage
from nemo_curator.backends.local.allowance import Allowance
from nemo_curator.backends.local.assignment import Assignment, Journal
from nemo_curator.backends.local.crew import Crew
from nemo_curator.backends.local.events import ProcessEvent, StagesTook, WorkerDied
from nemo_curator.backends.local.heartbeat import Heartbeat, Memory
from nemo_curator.backends.local.inference_process import InferenceProcess
from nemo_curator.backends.local.messages import (
    Ask,
    Done,
    Failed,
    GiveBack,
    Go,
    Granted,
    NodeReady,
    Progress,
    Ready,
    Start,
    Through,
)
from nemo_curator.backends.local.patience import Patience
from nemo_curator.backends.local.process import WorkerProcess
from nemo_curator.backends.local.silence import MODEL_SECONDS
from nemo_curator.errors import StageError
from nemo_curator.models.remote import address_of
from nemo_curator.planning.means import Means
from nemo_curator.stages.worker import POISON
from nemo_curator.tasks import FileGroupTask, ImageBatch, Task

_TICK = 0.05  # seconds between looks at what workers are at; memory can grow by gigabytes in a second
_SETUP_TRIES = 2  # workers in a row that may die before any is set up
_IDLE_TRIES = 10  # workers in a row that may die while they wait, before any batch is through


class Supervisor:
    """Runs partitions on worker processes.

    Args:
        stages: A cloudpickle of the stages, not yet set up.
        means: Number of worker processes, of threads of the inference process, and what memory they may take.
        patience: What one image may cost.
        progress: Called with (partition index, number of further records read).
        on_condemned: Called with (partition index, image id, why) when an image is given up; "" stands for all images
            of the partition.
        model_seconds: Time that the inference process may give nothing while workers wait for it.
        crew: Where workers come from; the caller closes it. One of its own by default.
        tell: Told of what happens to the processes, and what stages took.
    """

    def __init__(
        self,
        stages: bytes,
        means: Means,
        patience: Patience,
        progress: Callable[[int, int], None] = lambda *_: None,
        on_condemned: Callable[[int, str, str], None] = lambda *_: None,
        model_seconds: float = MODEL_SECONDS,
        crew: Crew | None = None,
        tell: Callable[[ProcessEvent], None] = lambda _: None,
    ) -> None:
        self._tell = tell
        self._heart = Heartbeat(tell)
        self._stages = stages
        self._model_seconds = model_seconds
        self._patience = patience
        self._progress = progress
        self._on_condemned = on_condemned
        self._means = means
        self._allowance = Allowance(means.memory.shared)
        self._lent = crew
        self._inference: InferenceProcess | None = None
        self._workers: list[WorkerProcess] = []
        self._started = 0
        self._node_ready = False
        self._setup_deaths = 0
        self._idle_deaths = 0
        self._queue: deque[Assignment] = deque()

    def run(self, tasks: Sequence[Task[Any]]) -> Generator[tuple[int, list[bytes]], None, None]:
        """Run all partitions, yielding (index, results) of each as it is done, in no particular order.

        A result is a cloudpickle of (tasks, records that none carries); together they are the partition's, in order.

        Raises:
            StageError: A stage failed on everything, or a worker cannot be set up.
            ModelError: The inference process died again and again.
        """
        yield from self.serve(iter([list(enumerate(tasks))]))

    def serve(
        self, arrivals: Iterator[Sequence[tuple[int, Task[Any]]]]
    ) -> Generator[tuple[int, list[bytes]], None, None]:
        """The same for partitions that come one by one, while others are in work.

        Args:
            arrivals: Gives the (index, task) of those that are new, which may be none; it is asked again after every
                tick. Its end is the end, once all is done.

        Raises:
            StageError: A stage failed on everything, or a worker cannot be set up.
            ModelError: The inference process died again and again.
        """
        journals: dict[int, Journal] = {}
        more = True
        self._crew = self._lent or Crew()
        try:
            shares = self._means.shares
            if shares.inference_threads:
                desk = self._crew.desk.fileno()
                self._inference = InferenceProcess(desk, shares.inference_threads, self._model_seconds, self._tell)
            for _ in range(shares.workers):
                self._start_worker()
            while more or journals:
                new = next(arrivals, None) if more else ()
                more = new is not None
                for index, task in new or ():
                    assignment = Assignment(index, task)
                    journals[index] = assignment.journal
                    self._add(assignment)
                for done in self._step() if journals or more else ():
                    del journals[done[0]]
                    yield done
            for worker in self._workers:
                worker.ask_to_leave()
            for worker in self._workers:
                worker.bury()
            self._workers = []
        finally:
            self._end()
            for journal in journals.values():
                journal.close()

    def _end(self) -> None:
        """Leave no process behind: after an error or Ctrl-C nobody waits for work that nobody wants."""
        for worker in self._workers:
            worker.kill()
        for worker in self._workers:
            worker.bury()
        self._workers = []
        if self._inference is not None:
            self._inference.end()
            self._inference = None
        if self._lent is None:
            self._crew.close()

    def _start_worker(self) -> None:
        on_node = not self._node_ready and not any(worker.on_node for worker in self._workers)
        inference = address_of(self._crew.calls.fileno()) if self._inference is not None else ""
        worker = self._crew.take()
        self._workers.append(worker)
        name, memory = f"worker-{self._started}", self._means.memory
        worker.begin(Start(name, sys.path, self._stages, on_node, memory, inference, storage.in_use()))
        self._started += 1
        if self._node_ready:
            worker.tell(Go())

    def _step(self) -> Iterator[tuple[int, list[bytes]]]:
        """Wait for messages for one tick, and answer them."""
        channels = {worker.channel: worker for worker in self._workers}
        news = [self._inference.news] if self._inference is not None else []
        heard = wait([*channels, *news], timeout=_TICK)
        if not heard:
            self._crew.use_the_moment()
        for channel in heard:
            worker = channels.get(channel)  # type: ignore[call-overload]  # wait() returns what it was given
            if worker is None:
                if self._inference is not None:
                    self._inference.answer()
                continue
            try:
                message = worker.channel.recv()
            except (EOFError, OSError):
                self._answer_end(worker)
                continue
            if isinstance(message, Done):
                self._idle_deaths = 0
                journal = _held(worker).journal
                self._give_work(worker)  # first, so that it does not wait for whoever gets the result
                results = [*journal.results, message.result]
                journal.close()
                self._took(message.seconds)
                yield message.index, results
            else:
                self._answer(worker, message)
        self._end_stuck_workers()
        if self._inference is not None:
            waiting = any(worker.position.read().waiting for worker in self._workers)
            self._inference.end_if_stuck(time.monotonic(), waiting=waiting)
        self._heart.beat(len(self._workers), self._memory)

    def _memory(self) -> Iterator[Memory]:
        yield from (worker.memory() for worker in self._workers)
        if self._inference is not None:
            yield self._inference.memory()

    def _took(self, seconds: Mapping[str, float]) -> None:
        if seconds:
            self._tell(StagesTook(seconds))

    def _answer(self, worker: WorkerProcess, message: object) -> None:
        if isinstance(message, Failed):
            error: Exception = cloudpickle.loads(message.error)
            raise error
        if isinstance(message, Progress):
            self._report(worker, message.records)
        elif isinstance(message, Ask):
            self._grant(self._allowance.ask(worker.id, message.size))
        elif isinstance(message, GiveBack):
            self._grant(self._allowance.give_back(worker.id))
        elif isinstance(message, Through):
            _held(worker).through(message)
            self._idle_deaths = 0
            self._took(message.seconds)
        elif isinstance(message, NodeReady):
            self._node_ready = True
            for waiting in self._workers:
                waiting.tell(Go())
        elif isinstance(message, Ready):
            worker.ready = True
            self._setup_deaths = 0
            self._give_work(worker)

    def _grant(self, served: Sequence[str]) -> None:
        for worker in self._workers:
            if worker.id in served:
                worker.tell(Granted())

    def _report(self, worker: WorkerProcess, records: int) -> None:
        assignment = worker.assignment
        if assignment is None:
            return
        assignment.read += records
        if assignment.read > assignment.reported:
            self._progress(assignment.index, assignment.read - assignment.reported)
            assignment.reported = assignment.read

    def _add(self, assignment: Assignment) -> None:
        """One more partition; a worker that has nothing to do gets it."""
        self._queue.append(assignment)
        for worker in self._workers:
            if worker.ready and worker.assignment is None and self._queue:
                self._give_work(worker)

    def _give_work(self, worker: WorkerProcess) -> None:
        worker.assignment = None
        if self._queue:
            assignment = self._queue.popleft()
            following = self._queue[0].first_files if self._queue else []
            worker.give(assignment, cloudpickle.dumps(assignment.task), following)

    def _end_stuck_workers(self) -> None:
        for worker in list(self._workers):
            ended = self._patience.ended(worker)
            if ended is not None:
                worker.kill()
                worker.bury()
                self._answer_death(worker, *ended)

    def _answer_end(self, worker: WorkerProcess) -> None:
        """A worker has died by itself."""
        note, how = worker.position.read(), worker.bury()
        if not note.waiting:
            self._answer_death(worker, note.image_id, how)
            return
        self._idle_deaths += 1
        if self._idle_deaths >= _IDLE_TRIES:
            raise StageError(
                f"{_IDLE_TRIES} workers died in a row while they waited for another process; the last one {how}",
                cause="something outside ends them, such as a system that runs out of memory",
                act="use fewer workers, and run the same command again: it goes on where it stopped",
            )
        assignment = worker.assignment
        if assignment is not None:
            self._queue.appendleft(replace(assignment, read=assignment.journal.records))
        self._replace(worker, "", how)

    def _answer_death(self, worker: WorkerProcess, suspect: str, how: str) -> None:
        assignment = worker.assignment
        if assignment is not None:
            again = _next_try(assignment, suspect, how)
            if again.task is not assignment.task:
                self._on_condemned(again.index, suspect, again.task._metadata[POISON][suspect])
            self._queue.appendleft(again)
        elif not worker.ready:
            self._setup_deaths += 1
            if self._setup_deaths >= _SETUP_TRIES:
                raise StageError(
                    f"a worker {how} while its stages were set up",
                    cause="a native library crashed or memory ran out",
                    act="run `imagecurator doctor`, or use fewer workers",
                )
        self._replace(worker, suspect, how)

    def _replace(self, worker: WorkerProcess, suspect: str, how: str) -> None:
        """Forget a dead worker, and start another one; for one that died idle too: a partition may come back."""
        self._workers.remove(worker)
        self._patience.forget(worker)
        self._grant(self._allowance.give_back(worker.id))
        self._start_worker()
        self._tell(WorkerDied(worker.id, how, suspect, self._workers[-1].id))


def _held(worker: WorkerProcess) -> Assignment:
    """The partition that a worker speaks of.

    Raises:
        StageError: It was given none, so what it says is not ours.
    """
    if worker.assignment is None:
        raise StageError(
            f"{worker.id} speaks of a partition that it was not given", cause="a stage wrote to its socket"
        )
    return worker.assignment


def _next_try(assignment: Assignment, suspect: str, how: str) -> Assignment:
    deaths = [*assignment.deaths, suspect]
    task = assignment.task
    if deaths.count(suspect) >= 2:
        task = _without(task, suspect, how)
    return replace(assignment, task=task, deaths=deaths, read=assignment.journal.records)


def _without(task: Task[Any], suspect: str, how: str) -> Task[Any]:
    """The task with an image condemned, or with all of them for the suspect "".

    Raises:
        StageError: It holds no images, or that was tried already.
    """
    poison: dict[str, str] = task._metadata.get(POISON, {})
    if suspect in poison or not isinstance(task, FileGroupTask | ImageBatch):
        raise StageError(
            f"task {task.task_id!r} cost {'three' if suspect in poison else 'two'} workers, the last of which {how}",
            cause="a stage crashes the process or takes more memory than there is",
            act="run that task alone with LocalExecutor({'num_workers': 0}) to see where",
        )
    metadata = {**task._metadata, POISON: {**poison, suspect: f"its worker {how}, twice"}}
    return replace(task, _metadata=metadata)

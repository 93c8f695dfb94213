"""The local executor."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import Any

import cloudpickle

from nemo_curator.backends.base import BaseExecutor, Stage
from nemo_curator.backends.chain import StageChain
from nemo_curator.backends.local.crew import Crew
from nemo_curator.backends.local.events import ProcessEvent, StagesTook
from nemo_curator.backends.local.heartbeat import Heartbeat
from nemo_curator.backends.local.patience import Patience
from nemo_curator.backends.local.silence import MODEL_SECONDS
from nemo_curator.backends.local.supervisor import Supervisor
from nemo_curator.cores import usable_cores
from nemo_curator.errors import StageError
from nemo_curator.kernels.sizes import parse_size
from nemo_curator.machine_memory import usable_memory
from nemo_curator.planning.means import Asked, Machine, plan_means
from nemo_curator.tasks import EmptyTask, ImageBatch, Record, Task

DEFAULT_IMAGE_SECONDS = 60.0
DEFAULT_IMAGE_MEMORY = 4_000_000_000


class LocalExecutor(BaseExecutor):
    """Runs pipelines on worker processes of this machine; needs no server.

    Stages that start from nothing (an `EmptyTask`) run here and make the list of partitions; each partition then goes
    through all other stages, fused, in one worker. Results come back in source order. A worker that dies costs one
    retry, and the image it died on twice is quarantined. Large models are loaded once, in a process beside the
    workers.

    Args:
        config: `num_workers` (default: CPU cores this process may use, as many as its container's quota of CPU time
            allows at most; 0 runs in this process, without isolation, for a debugger), `image_seconds` (default 60;
            how long one image may take), `image_memory` (default 4 GB; bytes that a worker may grow by for one
            image, from the outside; decoding has its own limit), `memory` (bytes, or a text such as `4GB`, that all
            processes may take together; a share of the machine's by default, for which nothing is refused) and
            `model_seconds` (default 1800; how long the process that holds large models may give nothing, while it loads
            one or computes ten images or so, before it is started again).
        progress: Called with (partition index, number of further records read) while running.
        on_done: Called with (partition index, resulting tasks) as each partition is done, in no particular order.
        on_condemned: Called with (partition index, image id, why) when an image that cost two workers is given up.
        crew: Where workers come from; the caller closes it. One of its own for every run by default.
        on_event: Called with what happens to the processes, and what stages took.
    """

    def __init__(
        self,
        config: Mapping[str, Any] | None = None,
        progress: Callable[[int, int], None] = lambda *_: None,
        on_done: Callable[[int, list[Task[Any]]], None] = lambda *_: None,
        on_condemned: Callable[[int, str, str], None] = lambda *_: None,
        crew: Crew | None = None,
        on_event: Callable[[ProcessEvent], None] = lambda _: None,
    ) -> None:
        super().__init__(config)
        self._crew = crew
        self._on_event = on_event
        self._progress = progress
        self._on_done = on_done
        self._on_condemned = on_condemned

    def execute(self, stages: Sequence[Stage], initial_tasks: Sequence[Task[Any]] | None = None) -> list[Task[Any]]:
        """Run the stages over the tasks, in order, and return what the last stage gives, in source order.

        Raises:
            ValueError: A setting is no such number.
            MemoryBudgetError: `memory` is too little for these stages.
            StageError: A stage failed on everything it was given, broke its contract, or cannot be sent to a worker.
        """
        self._settings()  # what is wrong with them is said before anything runs
        tasks = [task() if isinstance(task, type) else task for task in initial_tasks or [EmptyTask()]]
        remaining = list(stages)
        self.records: list[Record] = []
        while remaining and tasks and all(isinstance(task, EmptyTask) for task in tasks):
            tasks, records = _here([remaining.pop(0)], tasks)
            self.records += records
        for index, task in enumerate(tasks):
            task.task_id = task.task_id or str(index)
        if not remaining or not tasks:
            self.records += _carried(tasks)
            return tasks
        results: dict[int, tuple[list[Task[Any]], list[Record]]] = {}
        with closing(self.execute_each(remaining, tasks)) as partitions:
            for index, done, records in partitions:
                results[index] = done, records
        for index in sorted(results):
            self.records += results[index][1]
        return [task for index in sorted(results) for task in results[index][0]]

    def execute_each(
        self, stages: Sequence[Stage], tasks: Sequence[Task[Any]]
    ) -> Generator[tuple[int, list[Task[Any]], list[Record]], None, None]:
        """Run the stages over each task, giving what became of it as soon as that is known.

        Raises:
            ValueError: A setting is no such number.
            MemoryBudgetError: `memory` is too little for these stages.
            StageError: A stage failed on everything it was given, broke its contract, or cannot be sent to a worker.
        """
        asked, patience, model_seconds = self._settings()
        with closing(self._partitions(list(stages), list(tasks), asked, patience, model_seconds)) as partitions:
            for index, done, records in partitions:
                self._on_done(index, done)
                yield index, done, sorted([*records, *_carried(done)], key=lambda record: record.source.ordinal)

    def _settings(self) -> tuple[Asked, Patience, float]:
        workers = self.config.get("num_workers")
        if workers is not None and (isinstance(workers, bool) or not isinstance(workers, int) or workers < 0):
            raise ValueError(f"num_workers must be a whole number of processes, or 0 for none, not {workers!r}")
        seconds = self._seconds("image_seconds", DEFAULT_IMAGE_SECONDS)
        model_seconds = self._seconds("model_seconds", MODEL_SECONDS)
        memory = self.config.get("image_memory", DEFAULT_IMAGE_MEMORY)
        if isinstance(memory, bool) or not isinstance(memory, int) or memory <= 0:
            raise ValueError(f"image_memory must be a whole number of bytes above 0, not {memory!r}")
        budget = self.config.get("memory")
        if budget is not None and (isinstance(budget, bool) or parse_size(budget) <= 0):
            raise ValueError(f"memory must be a number of bytes above 0, not {budget!r}")
        asked = Asked(workers, None if budget is None else parse_size(budget))
        return asked, Patience(seconds, memory), model_seconds

    def _seconds(self, name: str, default: float) -> float:
        seconds = self.config.get(name, default)
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not seconds > 0:
            raise ValueError(f"{name} must be a number above 0, not {seconds!r}")
        return float(seconds)

    def _partitions(
        self, stages: list[Stage], tasks: list[Task[Any]], asked: Asked, patience: Patience, model_seconds: float
    ) -> Generator[tuple[int, list[Task[Any]], list[Record]], None, None]:
        means = plan_means(stages, len(tasks), Machine(usable_cores(), usable_memory()), asked)
        if asked.workers == 0:
            yield from self._in_process(stages, tasks)
            return
        supervisor = Supervisor(
            _packed(stages),
            means,
            patience,
            self._progress,
            self._on_condemned,
            model_seconds,
            crew=self._crew,
            tell=self._on_event,
        )
        with closing(supervisor.run(tasks)) as partitions:
            for index, packed in partitions:
                done: list[Task[Any]] = []
                records: list[Record] = []
                for results, left in map(cloudpickle.loads, packed):
                    done += results
                    records += left
                yield index, done, records

    def _in_process(
        self, stages: list[Stage], tasks: list[Task[Any]]
    ) -> Iterator[tuple[int, list[Task[Any]], list[Record]]]:
        current = 0
        heart = Heartbeat(self._on_event)

        def progress(count: int) -> None:
            self._progress(current, count)
            heart.beat()

        chain = StageChain(stages, progress=progress)
        chain.on_batch = lambda *_: self._on_event(StagesTook(chain.took()))
        with _set_up(chain):
            for current, task in enumerate(tasks):
                chain.records = []
                done = list(chain.run(task))
                self._on_event(StagesTook(chain.took()))
                yield current, done, chain.records


@contextmanager
def _set_up(chain: StageChain) -> Iterator[None]:
    chain.setup_on_node()
    chain.setup()
    try:
        yield
    finally:
        chain.teardown()


def _here(stages: list[Stage], tasks: list[Task[Any]]) -> tuple[list[Task[Any]], list[Record]]:
    chain = StageChain(stages)
    with _set_up(chain):
        results = [result for task in tasks for result in chain.run(task)]
    return results, chain.records


def _carried(tasks: Sequence[Task[Any]]) -> list[Record]:
    return [record for task in tasks if isinstance(task, ImageBatch) for record in task.records]


def _packed(stages: Sequence[Stage]) -> bytes:
    """The stages as the workers get them.

    Raises:
        StageError: One holds something that cannot leave this process.
    """
    try:
        return bytes(cloudpickle.dumps(list(stages)))
    except Exception as error:
        culprit = next((stage for stage in stages if not _pickles(stage)), stages[0])
        raise StageError(
            f"stage {culprit.name!r} cannot be sent to a worker process: {type(error).__name__}: {error}",
            cause="it holds something that belongs to this process, such as an open file, a lock or a loaded model",
            act="make that in setup(), or run with LocalExecutor({'num_workers': 0})",
        ) from error


def _pickles(stage: Stage) -> bool:
    try:
        cloudpickle.dumps(stage)
    except Exception:  # noqa: BLE001 (whatever its attributes raise)
        return False
    return True

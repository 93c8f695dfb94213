"""The fused chain of stages that one worker drives: the only caller of `setup` and `process_batch`.

It runs in one thread of one process and holds one micro-batch at a time: results of a stage go through all later
stages before the stage is asked for more.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from nemo_curator.backends.base import BaseStageAdapter, Stage
from nemo_curator.backends.conservation import settle
from nemo_curator.backends.isolation import Given, failure, gives_images, process_apart, setup_failure
from nemo_curator.backends.resumption import Resumption, gatherers, is_resumable
from nemo_curator.errors import CuratorError, SampleError
from nemo_curator.stages.base import PartitionStage, ProcessingStage
from nemo_curator.stages.worker import PASSED, POISON, NodeInfo, WorkerMetadata, condemned
from nemo_curator.tasks import EmptyTask, ImageBatch, Record, Task

_BEGINNING = Resumption()


class StageChain:
    """Stages in order, fused.

    Args:
        stages: The stages.
        worker: Where they run.
        node: The host.
        progress: Called with the number of records (images in play or not) that the first stage which gives batches
            of images has produced.

    Attributes:
        records: Records that no task carries any more, in source order.
        careful: Whether stages get every image alone and are watched, to find the one that costs a worker.
        on_batch: Called where a batch is through all stages, if the chain is one that can be resumed there, with the
            number of its records and what the stages that gather have gathered of it.
    """

    def __init__(
        self,
        stages: Sequence[Stage],
        worker: WorkerMetadata | None = None,
        node: NodeInfo | None = None,
        progress: Callable[[int], None] = lambda _: None,
    ) -> None:
        self.worker = worker or WorkerMetadata()
        self.node = node or NodeInfo()
        self.adapters = [BaseStageAdapter(stage) for stage in stages]
        self.progress = progress
        self.records: list[Record] = []
        self.careful = False
        self.on_batch: Callable[[int, tuple[Any, ...]], None] | None = None
        self._gatherers = gatherers(stages)
        self._resumable = bool(stages) and is_resumable(stages)
        self._first_batch = 0

    def setup_on_node(self) -> None:
        """Prepare the host for all stages, in order; one worker does it for all, before any is set up.

        Raises:
            StageError: A stage cannot be set up.
        """
        for adapter in self.adapters:
            try:
                adapter.setup_on_node(self.node, self.worker)
            except Exception as error:
                raise setup_failure(adapter.stage, error) from error

    def setup(self) -> None:
        """Prepare this worker for all stages, in order.

        Raises:
            StageError: A stage cannot be set up.
        """
        for adapter in self.adapters:
            try:
                adapter.setup(self.worker)
            except Exception as error:
                raise setup_failure(adapter.stage, error) from error

    def teardown(self) -> None:
        """Release all stages, last first."""
        for adapter in reversed(self.adapters):
            adapter.teardown()

    def took(self) -> dict[str, float]:
        """Stage to the seconds that its calls took since this was last asked."""
        seconds: dict[str, float] = {}
        for adapter in self.adapters:
            if adapter.seconds:
                seconds[adapter.stage.name] = seconds.get(adapter.stage.name, 0.0) + adapter.seconds
                adapter.seconds = 0.0
        return seconds

    def run(self, task: Task[Any], start: Resumption = _BEGINNING) -> Iterator[Task[Any]]:
        """Drive one task through all stages, yielding what the last gives.

        Args:
            task: The task.
            start: How far an earlier worker came with it.
        """
        for stage in self._gatherers:
            stage.begin(task)
        for saved in start.saved:
            for stage, one in zip(self._gatherers, saved, strict=True):
                stage.restore(one)
        if start.records:
            task = replace(task, _metadata={**task._metadata, PASSED: start.records})
        self._first_batch = start.batches
        poison: Mapping[str, str] = task._metadata.get(POISON, {})
        flow: Iterator[Task[Any]] = iter([task])
        if poison:
            flow = self._spared(poison, "", flow)
        counted = False
        for adapter in self.adapters:
            flow = self._through(adapter, flow)
            if poison:
                flow = self._spared(poison, adapter.stage.name, flow)
            if not counted and _reads_images(adapter.stage):
                flow, counted = self._counted(flow), True
        yield from flow

    def _counted(self, flow: Iterator[Task[Any]]) -> Iterator[Task[Any]]:
        for task in flow:
            if isinstance(task, ImageBatch):
                records = len(task.data) + len(task.records)
                self.progress(records)
                yield task
                del task  # nobody needs it while the next one is read
                # whoever asks for more has put this one through all stages; what a stage holds for `save` must not grow
                saved = tuple(stage.save() for stage in self._gatherers if stage.resumes)
                if self._resumable and self.on_batch is not None:
                    self.on_batch(records, saved)
            else:
                yield task

    @staticmethod
    def _spared(poison: Mapping[str, str], stage: str, flow: Iterator[Task[Any]]) -> Iterator[Task[Any]]:
        """No stage gets an image that cost two workers, whoever read it."""
        for task in flow:
            if not isinstance(task, ImageBatch):
                yield task
                continue
            doomed = [image for image in task.data if condemned(poison, image.image_id)]
            records = [
                image.quarantined(stage=stage, code="worker_died", detail=condemned(poison, image.image_id))
                for image in doomed
            ]
            spared = task.filtered([image for image in task.data if not condemned(poison, image.image_id)], records)
            spared._metadata = {name: value for name, value in task._metadata.items() if name != POISON}
            yield spared

    def _through(self, adapter: BaseStageAdapter, tasks: Iterator[Task[Any]]) -> Iterator[Task[Any]]:
        """One stage over a flow of tasks: in groups of its batch size, or streamed one by one."""
        size = max(1, adapter.stage.batch_size)
        streams = type(adapter.stage).stream is not ProcessingStage.stream
        group: list[Task[Any]] = []
        for task in tasks:
            if streams and not isinstance(task, ImageBatch):
                yield from self._stream(adapter, task)
                continue
            group.append(task)
            del task  # a batch is not kept while the next one is read
            if len(group) >= size:
                results = self._call(adapter, group)
                group = []
                while results:
                    yield results.pop(0)
        if group:
            yield from self._call(adapter, group)
        if isinstance(adapter.stage, PartitionStage):
            yield from self._finished(adapter, adapter.stage)

    @staticmethod
    def _finished(adapter: BaseStageAdapter, stage: PartitionStage[Any, Any]) -> list[Task[Any]]:
        start = time.perf_counter()
        try:
            return stage.finish()
        except Exception as error:
            raise failure(stage, EmptyTask(task_id="the partition as a whole"), error) from error
        finally:
            adapter.seconds += time.perf_counter() - start

    def _stream(self, adapter: BaseStageAdapter, task: Task[Any]) -> Iterator[Task[Any]]:
        stream = adapter.stage.stream(task)
        first = self._first_batch if adapter is self.adapters[0] else 0
        for index in itertools.count(first):
            start = time.perf_counter()
            try:
                result = next(stream)
            except StopIteration:
                return
            except Exception as error:
                raise failure(adapter.stage, task, error) from error
            adapter.note([task], [result], time.perf_counter() - start)
            if result.task_id == task.task_id:
                result.task_id = f"{task.task_id}.{index}"
            yield result
            del result

    def _call(self, adapter: BaseStageAdapter, group: list[Task[Any]]) -> list[Task[Any]]:
        given = Given(group)
        try:
            if self.careful and given.images and given.only_images and gives_images(adapter.stage):
                results = process_apart(adapter, given, self.worker.watch)
            else:
                results = adapter.process_batch(group)
        except Exception as error:
            if isinstance(error, CuratorError) and not isinstance(error, SampleError):
                raise
            given.restore()
            results = self._recovered(adapter, given, error)
        if not isinstance(adapter.stage, PartitionStage):  # which keeps what it is given, and tells at the end
            self.records += settle(adapter.stage.name, given.images, given.records, results)
        return results

    def _recovered(self, adapter: BaseStageAdapter, given: Given, error: Exception) -> list[Task[Any]]:
        """After a failure: only the images that cause it are lost, as quarantine records."""
        if not given.only_images or gives_images(adapter.stage) is False:
            raise failure(adapter.stage, given.group[0], error) from error
        if not given.images:
            return []  # a stage that cannot work on an empty batch need not: there is nothing to lose but its records
        return process_apart(adapter, given, self.worker.watch, error)


def _reads_images(stage: Stage) -> bool:
    return "image_id" in stage.outputs()[1]

"""The fused chain of stages that one worker drives: the only caller of `setup` and `process_batch`.

It runs in one thread of one process and holds one micro-batch at a time: results of a stage go through all later
stages before the stage is asked for more.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from nemo_curator.backends.base import BaseStageAdapter, Stage
from nemo_curator.backends.conservation import settle
from nemo_curator.errors import CuratorError, StageError
from nemo_curator.stages.base import PartitionStage, ProcessingStage
from nemo_curator.stages.worker import NodeInfo, WorkerMetadata
from nemo_curator.tasks import ImageBatch, ImageObject, Record, Task


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

    def setup(self, *, on_node: bool = True) -> None:
        """Prepare all stages, in order; `on_node` also prepares the host, which one worker does for all."""
        for adapter in self.adapters:
            if on_node:
                adapter.setup_on_node(self.node, self.worker)
            adapter.setup(self.worker)

    def teardown(self) -> None:
        """Release all stages, last first."""
        for adapter in reversed(self.adapters):
            adapter.teardown()

    def run(self, task: Task[Any]) -> Iterator[Task[Any]]:
        """Drive one task through all stages, yielding what the last gives."""
        for adapter in self.adapters:
            if isinstance(adapter.stage, PartitionStage):
                adapter.stage.begin(task)
        flow: Iterator[Task[Any]] = iter([task])
        counted = False
        for adapter in self.adapters:
            flow = self._through(adapter, flow)
            if not counted and _reads_images(adapter.stage):
                flow, counted = self._counted(flow), True
        yield from flow

    def _counted(self, flow: Iterator[Task[Any]]) -> Iterator[Task[Any]]:
        for task in flow:
            if isinstance(task, ImageBatch):
                self.progress(len(task.data) + len(task.records))
            yield task

    def _through(self, adapter: BaseStageAdapter, tasks: Iterator[Task[Any]]) -> Iterator[Task[Any]]:
        """One stage over a flow of tasks: in groups of its batch size, or streamed one by one."""
        if _streams(adapter.stage):
            for task in tasks:
                yield from self._stream(adapter, task)
            return
        group: list[Task[Any]] = []
        for task in tasks:
            group.append(task)
            if len(group) >= max(1, adapter.stage.batch_size):
                yield from self._call(adapter, group)
                group = []
        if group:
            yield from self._call(adapter, group)
        if isinstance(adapter.stage, PartitionStage):
            yield from adapter.stage.finish()

    def _stream(self, adapter: BaseStageAdapter, task: Task[Any]) -> Iterator[Task[Any]]:
        stream = adapter.stage.stream(task)
        for index in range(1_000_000_000):
            start = time.perf_counter()
            try:
                result = next(stream)
            except StopIteration:
                return
            except Exception as error:
                raise _failure(adapter.stage, task, error) from error
            adapter.note([task], [result], time.perf_counter() - start)
            if result.task_id == task.task_id:
                result.task_id = f"{task.task_id}.{index}"
            yield result

    def _call(self, adapter: BaseStageAdapter, group: list[Task[Any]]) -> list[Task[Any]]:
        images = [image for task in group if isinstance(task, ImageBatch) for image in task.data]
        records = [record for task in group if isinstance(task, ImageBatch) for record in task.records]
        try:
            results = adapter.process_batch(group)
        except CuratorError:
            raise
        except Exception as error:  # noqa: BLE001 (whatever a stage raises: which image was it?)
            results = self._one_by_one(adapter, group, error)
        self.records += settle(adapter.stage.name, images, records, results)
        return results

    def _one_by_one(self, adapter: BaseStageAdapter, group: list[Task[Any]], error: Exception) -> list[Task[Any]]:
        """After a failure, find the images that cause it; only those are lost, as quarantine records."""
        needs = adapter.stage.needs()
        batches = [task for task in group if isinstance(task, ImageBatch)]
        count = sum(len(batch.data) for batch in batches)
        if len(batches) < len(group) or count == 0 or (needs is not None and not needs.returns_images):
            raise _failure(adapter.stage, group[0], error) from error
        results: list[Task[Any]] = []
        failed = 0
        for batch in batches:
            rest, quarantined = self._survivors(adapter, batch)
            failed += len(quarantined)
            results.append(batch.filtered(rest, quarantined))
        if failed == count and count > 1:  # it is the stage that is broken, not every single image
            raise _failure(adapter.stage, group[0], error) from error
        return results

    def _survivors(self, adapter: BaseStageAdapter, batch: ImageBatch) -> tuple[list[ImageObject], list[Record]]:
        kept: list[ImageObject] = []
        records: list[Record] = []
        for image in batch.data:
            alone = batch.filtered([image])
            alone.records = []
            try:
                results = adapter.process_batch([alone])
            except CuratorError:
                raise
            except Exception as error:  # noqa: BLE001 (whatever a stage raises on one image costs that image only)
                detail = f"{type(error).__name__}: {error}"[:500]
                records.append(image.quarantined(stage=adapter.stage.name, code="stage_failed", detail=detail))
                continue
            records += settle(adapter.stage.name, [image], [], results)
            for result in results:
                if isinstance(result, ImageBatch):
                    kept += result.data
                    records += result.records
        return kept, records


def _streams(stage: Stage) -> bool:
    return type(stage).stream is not ProcessingStage.stream


def _reads_images(stage: Stage) -> bool:
    return "image_id" in stage.outputs()[1]


def _failure(stage: Stage, task: Task[Any], error: Exception) -> Exception:
    """A stage's exception as one sentence that names the stage; errors of ours already are."""
    if isinstance(error, CuratorError):
        return error
    failure = StageError(
        f"stage {stage.name!r} failed on task {task.task_id!r}: {type(error).__name__}: {error}",
        act="the traceback below is the stage's own",
    )
    failure.add_note("".join(traceback.format_exception(error)).rstrip())
    return failure

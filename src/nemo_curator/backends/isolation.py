"""After a stage failed, or cost its worker: find the images that cause it, so that only those are lost."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Sequence
from typing import Any, get_args, get_origin

from nemo_curator.backends.base import BaseStageAdapter, Stage
from nemo_curator.backends.conservation import settle
from nemo_curator.errors import CuratorError, SampleError, StageError
from nemo_curator.stages.base import ProcessingStage
from nemo_curator.tasks import ImageBatch, ImageObject, Record, Task

# A stage that fails in one way on all of so many images is broken; of fewer, the images may be odd.
_BROKEN = 8


class Given:
    """What a stage is given in one call, as it was before.

    Args:
        group: The tasks.

    Attributes:
        group: The tasks.
        batches: Those that are batches of images.
        images: All images in play in them.
        records: All records that they carry.
    """

    def __init__(self, group: Sequence[Task[Any]]) -> None:
        self.group = list(group)
        self.batches = [task for task in group if isinstance(task, ImageBatch)]
        self.images = [image for batch in self.batches for image in batch.data]
        self.records = [record for batch in self.batches for record in batch.records]
        self._contents = [(batch, list(batch.data), list(batch.records)) for batch in self.batches]
        self._states = [{name: _copied(value) for name, value in vars(image).items()} for image in self.images]

    def restore(self) -> None:
        """Undo what a failed attempt did to the images and batches; changes inside an array stay."""
        for batch, images, records in self._contents:
            batch.data, batch.records = images, records
        for image, state in zip(self.images, self._states, strict=True):
            vars(image).clear()
            vars(image).update(state)

    @property
    def only_images(self) -> bool:
        """Whether all tasks are batches of images."""
        return len(self.batches) == len(self.group)


def process_apart(
    adapter: BaseStageAdapter, given: Given, watch: Callable[[str], None], error: Exception | None = None
) -> list[Task[Any]]:
    """Run a stage on every image alone; one that it fails on becomes a quarantine record.

    Args:
        adapter: The stage.
        given: Batches of images.
        watch: Told which image is in work.
        error: What the stage raised on all of them together, if that was tried.

    Raises:
        StageError: The stage fails in one way on every image of a batch of some size, or does not give batches of
            images.
    """
    results: list[Task[Any]] = []
    failures: list[Exception] = []
    for batch in given.batches:
        start, before = time.perf_counter(), adapter.seconds
        kept: list[ImageObject] = []
        records: list[Record] = []
        for image in batch.data:
            alone = batch.filtered([image])
            alone.records = []
            watch(image.image_id)
            try:
                survivors, left = _outcome(adapter, alone)
                kept += survivors
                records += left
            except SampleError as found:
                records.append(image.quarantined(stage=adapter.stage.name, code=found.code, detail=str(found)))
            except CuratorError:
                raise
            except Exception as found:  # noqa: BLE001 (whatever a stage raises on one image costs that image only)
                failures.append(found)
                detail = f"{type(found).__name__}: {found}"[:500]
                records.append(image.quarantined(stage=adapter.stage.name, code="stage_failed", detail=detail))
            finally:
                watch("")
        result = batch.filtered(kept, records)
        adapter.seconds = before  # the calls for single images are part of this one
        adapter.note([batch], [result], time.perf_counter() - start)
        results.append(result)
    if len(failures) == len(given.images) >= _BROKEN and len({type(found) for found in failures}) == 1:
        error = error or failures[0]
        raise failure(adapter.stage, given.group[0], error) from error
    return results


def _outcome(adapter: BaseStageAdapter, alone: ImageBatch) -> tuple[list[ImageObject], list[Record]]:
    images = list(alone.data)
    results = adapter.process_batch([alone])
    records = settle(adapter.stage.name, images, [], results)
    kept: list[ImageObject] = []
    for result in results:
        if not isinstance(result, ImageBatch):
            raise StageError(
                f"stage {adapter.stage.name!r} failed on a batch of images and gives no images back",
                cause="which of them it failed on cannot be told, because its results cannot be put together again",
                act="run it with LocalExecutor({'num_workers': 0}) to see the error, or catch it in the stage",
            )
        kept += result.data
        records += result.records
    return kept, records


def gives_images(stage: Stage) -> bool | None:
    """Whether a stage gives batches of images, as it declares; None where it declares nothing."""
    needs = stage.needs()
    if needs is not None:
        return needs.returns_images
    for kind in type(stage).__mro__:
        for base in getattr(kind, "__orig_bases__", ()):
            origin, arguments = get_origin(base), get_args(base)
            if isinstance(origin, type) and issubclass(origin, ProcessingStage) and len(arguments) == 2:
                return isinstance(arguments[1], type) and issubclass(arguments[1], ImageBatch)
    return None


def failure(stage: Stage, task: Task[Any], error: Exception) -> Exception:
    """A stage's exception as one sentence that names the stage; errors of ours already are."""
    if isinstance(error, CuratorError):
        return error
    return _explained(f"stage {stage.name!r} failed on task {task.task_id!r}", error)


def setup_failure(stage: Stage, error: Exception) -> Exception:
    """What a stage raised in `setup`, as one sentence that names the stage."""
    return error if isinstance(error, CuratorError) else _explained(f"stage {stage.name!r} could not be set up", error)


def _explained(what: str, error: Exception) -> StageError:
    explained = StageError(f"{what}: {type(error).__name__}: {error}", act="the traceback below is the stage's own")
    explained.add_note("".join(traceback.format_exception(error)).rstrip())
    return explained


def _copied(value: Any) -> Any:
    return dict(value) if type(value) is dict else value

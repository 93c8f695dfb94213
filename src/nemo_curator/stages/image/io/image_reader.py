"""Partitions to batches of images."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from nemo_curator.codecs import memory_share
from nemo_curator.codecs.decode import read_picture
from nemo_curator.codecs.limits import Limits, check
from nemo_curator.codecs.listening import distinct, listening
from nemo_curator.codecs.options import DecodeOptions
from nemo_curator.codecs.probe import probe
from nemo_curator.codecs.views import cut, read_views
from nemo_curator.errors import SampleError
from nemo_curator.kernels.view import View
from nemo_curator.shards.ahead import ReadAhead
from nemo_curator.shards.sample import Sample
from nemo_curator.stages.base import ProcessingStage
from nemo_curator.stages.devices import gpu_or_cpu
from nemo_curator.stages.image.io.partition_tasks import read_task
from nemo_curator.stages.worker import BATCH_BYTES, PASSED, POISON, WorkerMetadata, condemned
from nemo_curator.tasks import FileGroupTask, ImageBatch, ImageObject, Record

# A longer JSON sidecar travels as bytes alone: parsed, a hostile one takes a hundred times its length.
_MOST_JSON = 2**20


@dataclass
class ImageReaderStage(ProcessingStage[FileGroupTask, ImageBatch]):
    """Reads the images of a partition with everything that belongs to them.

    Every image format is recognised by its content. All members of a sample travel; an input that cannot be read or
    decoded becomes a quarantine record of its batch.

    Args:
        dali_batch_size: Images a batch holds at most.
        verbose: Log a line a partition, at the level `TRACE`.
        num_threads: Accepted for compatibility; workers, not threads, are what runs in parallel here.
        num_gpus_per_worker: Share of a GPU to ask for where CUDA is there.
        views: Small pictures to cut from the one decode; a pipeline sets them from what its stages declare.
        pixels: Whether to keep the full picture in `image_data`.
        limits: What an image may cost; what exceeds it is quarantined before memory is taken.
        options: How pixels are made where there is more than one right way.
    """

    dali_batch_size: int = 100
    verbose: bool = True
    num_threads: int = 8
    num_gpus_per_worker: float = 0.25
    _name: str = "image_reader"
    views: tuple[View, ...] = ()
    pixels: bool = True
    resumes: ClassVar[bool] = True
    limits: Limits = field(default_factory=Limits)
    options: DecodeOptions = field(default_factory=DecodeOptions)

    def __post_init__(self) -> None:
        """Ask for a share of a GPU where there is one."""
        self._resources = gpu_or_cpu(self.num_gpus_per_worker)
        self._watch, self._batch_bytes = WorkerMetadata().watch, BATCH_BYTES
        self._ahead: ReadAhead | None = None

    def inputs(self) -> tuple[list[str], list[str]]:
        """A group of files."""
        return [], []

    def outputs(self) -> tuple[list[str], list[str]]:
        """Batches of images with their pixels, path and id."""
        return ["data"], ["image_data", "image_path", "image_id"]

    def setup(self, _worker_metadata: WorkerMetadata | None = None) -> None:
        """Remember whom to tell which image is in work and which file is read, and how much a batch may hold."""
        worker = _worker_metadata or WorkerMetadata()
        self._watch, self._batch_bytes, self._ahead = worker.watch, worker.batch_bytes, worker.ahead

    def process(self, task: FileGroupTask) -> list[ImageBatch]:
        """All batches of a partition at once; a runner uses `stream`, which holds one at a time.

        Raises:
            ValueError: The task names no file.
        """
        return list(self.stream(task))

    def stream(self, task: FileGroupTask) -> Iterator[ImageBatch]:
        """Yield the batches of a partition, in source order.

        Raises:
            ValueError: The task names no file.
        """
        if not task.data:
            raise ValueError(f"No tar file paths in task {task.task_id!r}: the file group is empty")
        batch, held = self._batch(task), 0
        share = memory_share.here
        with closing(self._images(task)) as images:
            for image in images:
                weight = _weight(image)
                held += weight
                (batch.records if isinstance(image, Record) else batch.data).append(image)  # type: ignore[arg-type]
                full = len(batch.data) + len(batch.records) >= self.dali_batch_size or held >= self._batch_bytes
                del image
                # what has a turn at memory keeps it until all stages are through with the batch
                if full or (share.held and weight > share.own):
                    yield batch
                    batch, held = self._batch(task), 0
                share.release()
        if batch.data or batch.records:
            yield batch
        if self.verbose:
            from loguru import logger  # noqa: PLC0415  a worker that logs nothing need not wait for it

            # the documented default is verbose, and a pipeline by hand is quiet until somebody asks for this level
            logger.trace("read {} ({} files)", task.task_id, len(task.data))

    def _images(self, task: FileGroupTask) -> Generator[ImageObject | Record]:
        """The samples of a partition that are not passed over, each as an image or as the record of why not."""
        share, passed = memory_share.here, task._metadata.get(PASSED, 0)
        samples = read_task(task, max_bytes=self.limits.bytes, about_to_read=share.read, ahead=self._ahead)
        try:
            for ordinal, sample in enumerate(samples):
                if ordinal < passed:
                    share.release()
                    continue
                sample.source = replace(sample.source, ordinal=ordinal)
                read = self._read(sample, task._metadata.get(POISON, {}))
                del sample  # nothing of an image stays while the next one is read
                yield read
                del read
        finally:
            share.release()

    @staticmethod
    def _batch(task: FileGroupTask) -> ImageBatch:
        metadata = {name: value for name, value in task._metadata.items() if name not in {POISON, PASSED}}
        return ImageBatch(dataset_name=task.dataset_name, _metadata=metadata)

    def _read(self, sample: Sample, poison: dict[str, str]) -> ImageObject | Record:
        """One sample as an image, or as the record of why not."""
        image = _image_of(sample)
        if sample.error:
            return image.quarantined(stage=self.name, code=sample.error, detail=sample.detail)
        why = condemned(poison, sample.image_id)
        if why:
            return image.quarantined(stage=self.name, code="worker_died", detail=why)
        self._watch(sample.image_id)
        problem: SampleError | None = None
        with listening() as heard:
            try:
                self._look_at(image, sample.image)
            except SampleError as error:
                problem = error
            finally:
                self._watch("")
        image.warnings = distinct([*heard, *image.warnings])
        if problem is not None:
            return image.quarantined(stage=self.name, code=problem.code, detail=str(problem))
        return image

    def _look_at(self, image: ImageObject, data: bytes) -> None:
        """Probe, and decode what is asked for.

        Raises:
            SampleError: The image cannot be used.
        """
        header = image.header = probe(data, self.limits)
        if not (self.pixels or self.views):
            check(header, len(data), self.limits)  # as the decoder does it else
            return
        if self.pixels:
            picture = read_picture(data, header, self.limits, self.options)
            image.views = cut(picture.pixels, self.views)
            image.attach_pixels(picture.pixels)
        else:
            picture, image.views = read_views(data, header, self.views, self.limits, self.options)
        image.truncated, image.warnings = picture.truncated, picture.warnings


def _image_of(sample: Sample) -> ImageObject:
    source = sample.source
    name = source.members[source.primary].name if 0 <= source.primary < len(source.members) else ""
    inside = bool(name) and not source.location.endswith(name)
    return ImageObject(
        image_path=f"{source.location}#{name}" if inside else source.location,
        image_id=sample.image_id,
        metadata=_metadata_of(sample),
        encoded=sample.image or None,
        sidecars=sample.sidecars,
        source=source,
    )


def _metadata_of(sample: Sample) -> dict[str, Any]:
    """The object in the sidecar `.json`, or nothing: a sidecar that is not JSON still travels as bytes."""
    for name, data in sample.sidecars.items():
        if name.lower().endswith(".json") and len(data) <= _MOST_JSON:
            try:
                parsed = json.loads(data, parse_constant=lambda _: None)  # NaN is no JSON, and common
            except (ValueError, RecursionError):
                continue
            if isinstance(parsed, dict):
                return parsed
    return {}


def _weight(image: ImageObject | Record) -> int:
    """Bytes of memory that an image holds, or what is left of one."""
    if isinstance(image, Record):
        return sum(map(len, image.sidecars.values()))
    arrays = [*image.views.values(), *([] if image.image_data is None else [image.image_data])]
    return len(image.encoded or b"") + sum(map(len, image.sidecars.values())) + sum(array.nbytes for array in arrays)

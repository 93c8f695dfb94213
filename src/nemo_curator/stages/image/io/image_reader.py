"""Partitions to batches of images."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from loguru import logger

from nemo_curator.codecs.decode import read_picture
from nemo_curator.codecs.limits import Limits, check
from nemo_curator.codecs.listening import distinct, listening
from nemo_curator.codecs.options import DecodeOptions
from nemo_curator.codecs.probe import probe
from nemo_curator.codecs.views import cut, read_views
from nemo_curator.errors import SampleError
from nemo_curator.kernels.view import View
from nemo_curator.shards.sample import Sample
from nemo_curator.stages.base import ProcessingStage
from nemo_curator.stages.devices import gpu_or_cpu
from nemo_curator.stages.image.io.partition_tasks import read_task
from nemo_curator.stages.worker import PASSED, POISON, WorkerMetadata, condemned
from nemo_curator.tasks import FileGroupTask, ImageBatch, ImageObject, Record

# A batch also ends when its images take this much memory, so that a hundred large pictures do not travel at once.
_BATCH_BYTES = 256 * 2**20
# A longer JSON sidecar travels as bytes alone: parsed, a hostile one takes a hundred times its length.
_MOST_JSON = 2**20


@dataclass
class ImageReaderStage(ProcessingStage[FileGroupTask, ImageBatch]):
    """Reads the images of a partition with everything that belongs to them.

    Every image format is recognised by its content. All members of a sample travel; an input that cannot be read or
    decoded becomes a quarantine record of its batch.

    Args:
        dali_batch_size: Images a batch holds at most.
        verbose: Log a line a partition.
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
        self._watch = WorkerMetadata().watch

    def inputs(self) -> tuple[list[str], list[str]]:
        """A group of files."""
        return [], []

    def outputs(self) -> tuple[list[str], list[str]]:
        """Batches of images with their pixels, path and id."""
        return ["data"], ["image_data", "image_path", "image_id"]

    def setup(self, _worker_metadata: WorkerMetadata | None = None) -> None:
        """Remember whom to tell which image is in work."""
        self._watch = (_worker_metadata or WorkerMetadata()).watch

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
        samples = enumerate(read_task(task, max_bytes=self.limits.bytes))
        for ordinal, sample in itertools.islice(samples, task._metadata.get(PASSED, 0), None):
            sample.source = replace(sample.source, ordinal=ordinal)
            read = self._read(sample, task._metadata.get(POISON, {}))
            if isinstance(read, Record):
                batch.records.append(read)
                held += sum(map(len, read.sidecars.values()))
            else:
                batch.data.append(read)
                held += _weight(read)
            if len(batch.data) + len(batch.records) >= self.dali_batch_size or held >= _BATCH_BYTES:
                yield batch
                batch, held = self._batch(task), 0
        if batch.data or batch.records:
            yield batch
        if self.verbose:
            logger.debug("read {} ({} files)", task.task_id, len(task.data))

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
        check(header, len(data), self.limits)
        if not (self.pixels or self.views):
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


def _weight(image: ImageObject) -> int:
    """Bytes of memory that an image holds."""
    arrays = [*image.views.values(), *([] if image.image_data is None else [image.image_data])]
    return len(image.encoded or b"") + sum(map(len, image.sidecars.values())) + sum(array.nbytes for array in arrays)

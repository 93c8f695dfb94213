"""Reader and decode workers, with or without a model behind them, and the rate at which they go on once they go."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from nemo_curator.backends.local.executor import LocalExecutor
from nemo_curator.cores import usable_cores
from nemo_curator.models.registry import ModelSpec, get_spec
from nemo_curator.pipeline import Pipeline
from nemo_curator.stages.base import ProcessingStage
from nemo_curator.stages.declarations import Needs
from nemo_curator.stages.file_partitioning import FilePartitioningStage
from nemo_curator.stages.image.embedders.model_embedder import ImageModelEmbeddingStage
from nemo_curator.stages.image.io.convert import ConvertImageBatchToDocumentBatchStage
from nemo_curator.stages.image.io.image_reader import ImageReaderStage
from nemo_curator.tasks import ImageBatch
from nemo_curator.testing import encoded, make_tar, photo

_SHORT = 2  # tars a worker in a short run
_LEAST = 4  # times as many in a long one


@dataclass
class LookStage(ProcessingStage[ImageBatch, ImageBatch]):
    """Wants the view of a model, and does nothing with it.

    Args:
        model: Whose view.
    """

    model: str
    _name: str = "look"

    def inputs(self) -> tuple[list[str], list[str]]:
        """A batch."""
        return ["data"], []

    def outputs(self) -> tuple[list[str], list[str]]:
        """The same batch."""
        return ["data"], []

    def needs(self) -> Needs:
        """The model's own view."""
        spec = get_spec(self.model)
        assert isinstance(spec, ModelSpec)
        return Needs(views=(spec.view,))

    def process(self, task: ImageBatch) -> ImageBatch:
        """The batch as it came, each image with its view."""
        assert all(image.views for image in task.data)
        return task


@dataclass(frozen=True)
class Whole:
    """A pipeline from tars to ids.

    Attributes:
        stage: Computes embeddings, or only wants the pictures for them.
    """

    stage: ProcessingStage[ImageBatch, ImageBatch]

    @classmethod
    def of(cls, model: str, model_dir: Path, *, compute: bool) -> Whole:
        """The pipeline of a model, or the same without computing."""
        return cls(ImageModelEmbeddingStage(model=model, model_dir=str(model_dir)) if compute else LookStage(model))

    def rate(self, some: Callable[[int], list[str]], each: int, most: int) -> float:
        """Images/s of a long run that a short one, start and all, is taken from.

        Args:
            some: Gives paths of so many tars.
            each: Images of a tar.
            most: Images of the long run, about.
        """
        short = _SHORT * usable_cores()
        long = max(_LEAST * short, most // each)
        taken = [self._seconds(some(count), count * each) for count in (short, long)]
        return (long - short) * each / (taken[1] - taken[0])

    def _seconds(self, paths: list[str], expected: int) -> float:
        pipeline = Pipeline("gpu_inference")
        pipeline.add_stage(FilePartitioningStage(file_paths=paths, files_per_partition=1))
        pipeline.add_stage(ImageReaderStage(verbose=False))
        pipeline.add_stage(self.stage)
        pipeline.add_stage(ConvertImageBatchToDocumentBatchStage())
        start = time.perf_counter()
        tasks = pipeline.run(LocalExecutor())
        seconds = time.perf_counter() - start
        assert sum(task.num_items for task in tasks) == expected
        return seconds


def linked_tars(first: list[Path], place: Path) -> Callable[[int], list[str]]:
    """A function that gives paths of so many tars: the first few again and again, each time under a name of its own."""
    place.mkdir()

    def some(count: int) -> list[str]:
        paths = [place / f"{index:06d}.tar" for index in range(count)]
        for index, path in enumerate(paths):
            if not path.exists():
                os.link(first[index % len(first)], path)
        return [str(path) for path in paths]

    return some


def made_tars(folder: Path, count: int, each: int) -> list[Path]:
    """Tars of made pictures, all different."""
    return [
        make_tar(
            folder / f"{tar}.tar",
            [(f"{index:09d}.jpg", encoded(photo(tar * each + index, 500, 375), quality=90)) for index in range(each)],
        )
        for tar in range(count)
    ]

"""A named list of stages that can be described and run."""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping, Sequence
from typing import Any, Self

from nemo_curator.backends.base import BaseExecutor
from nemo_curator.backends.local import LocalExecutor
from nemo_curator.pipeline.checkpointing.resume import run_with_checkpoint
from nemo_curator.planning.reading import plan_reading
from nemo_curator.stages.base import CompositeStage, ProcessingStage
from nemo_curator.stages.image.io.image_reader import ImageReaderStage
from nemo_curator.tasks import Record, Task

Stage = ProcessingStage[Any, Any]


class Pipeline:
    """Stages in order.

    Args:
        name: Its name.
        description: What it is for.
        stages: Its first stages; more come with `add_stage`.
        config: Settings for the executor that `run` makes when it is given none.

    Attributes:
        records: After `run`: every image that was rejected or quarantined, and why, in source order.
    """

    def __init__(
        self,
        name: str,
        description: str | None = None,
        stages: Sequence[Stage] | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        self.name = name
        self.description = description
        self.config = dict(config or {})
        self.stages: list[Stage] = []
        self.records: list[Record] = []
        for stage in stages or []:
            self.add_stage(stage)

    def add_stage(self, stage: Stage) -> Self:
        """Append a stage; returns the pipeline, so that calls chain.

        Raises:
            TypeError: What was given is not a stage.
        """
        if not isinstance(stage, ProcessingStage):
            hint = " (a class: call it to make a stage)" if isinstance(stage, type) else ""
            raise TypeError(f"a pipeline takes ProcessingStage objects, not {stage!r}{hint}")
        self.stages.append(stage)
        return self

    def build(self) -> None:
        """Put the stages of composites in their place, and tell readers which pixels are needed.

        Raises:
            ValueError: There is no stage.
        """
        if not self.stages:
            raise ValueError(f"pipeline {self.name!r} has no stages; add one with add_stage()")
        self.stages = _with_reading_planned([single for stage in self.stages for single in _expanded(stage)])

    def describe(self) -> str:
        """The pipeline in words: one paragraph a stage."""
        lines = [f"Pipeline: {self.name}"]
        if self.description:
            lines.append(f"Description: {self.description}")
        lines.append(f"Stages: {len(self.stages)}")
        for number, stage in enumerate(self.stages, 1):
            lines += ["", f"{number}. {stage.name} ({type(stage).__name__})", *_details(stage)]
        return "\n".join(lines)

    def run(
        self,
        executor: BaseExecutor | None = None,
        initial_tasks: Sequence[Task[Any]] | None = None,
        checkpoint_path: str | os.PathLike[str] | None = None,
    ) -> list[Task[Any]]:
        """Run the pipeline and return what its last stage gives, in source order.

        Args:
            executor: Where to run; a `LocalExecutor` with this pipeline's config by default.
            initial_tasks: What the first stage gets; one `EmptyTask` by default.
            checkpoint_path: A directory, by path or URL, that keeps what each partition gave. A later run with the
                same directory takes from it what is there and runs the rest; the result is that of one
                uninterrupted run.

        Raises:
            ValueError: There is no stage.
            StageError: A stage failed on everything it was given, or broke its contract; or a stage, a task or a
                result holds something that a checkpoint cannot keep.
            OutputError: The checkpoint directory holds something else or the checkpoint of another pipeline, is in
                use by another process, or cannot be written.
        """
        self.build()
        executor = executor or LocalExecutor(self.config)
        if checkpoint_path is None:
            results, records = executor.execute(self.stages, initial_tasks), executor.records
        else:
            outcome = run_with_checkpoint(executor, self.stages, initial_tasks, os.fspath(checkpoint_path))
            results, records = outcome.tasks, outcome.records
            executor.records = records
        self.records = records
        return results


def _expanded(stage: Stage) -> list[Stage]:
    """A stage, or the stages it stands for, at any depth."""
    if not isinstance(stage, CompositeStage):
        return [stage]
    return [single for part in stage.decompose() for single in _expanded(part)]


def _with_reading_planned(stages: list[Stage]) -> list[Stage]:
    """The same stages, with every image reader set to provide what those after it need."""
    planned: list[Stage] = []
    for index, stage in enumerate(stages):
        if isinstance(stage, ImageReaderStage):
            reading = plan_reading(stages[index + 1 :])
            reader = copy.copy(stage)  # not `replace`, which forgets what `with_` set
            reader.views, reader.pixels = reading.views, reading.pixels
            planned.append(reader)
        else:
            planned.append(stage)
    return planned


def _details(stage: Stage) -> list[str]:
    resources = stage.resources
    asked = f"{resources.cpus:g} CPU" + (f", {resources.gpus:g} GPU" if resources.gpus else "")
    asked += f", {resources.gpu_memory_gb:g} GB of GPU memory" if resources.gpu_memory_gb else ""
    details = [f"   Resources: {asked}", f"   Batch size: {stage.batch_size}"]
    for word, (attributes, item_attributes) in (("Inputs", stage.inputs()), ("Outputs", stage.outputs())):
        if attributes or item_attributes:
            details.append(
                f"   {word}: {', '.join(attributes) or '-'}; of each item: {', '.join(item_attributes) or '-'}"
            )
    if stage.__doc__:
        details.append(f"   {stage.__doc__.strip().splitlines()[0]}")
    return details

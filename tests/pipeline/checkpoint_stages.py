"""Stages and executors for checkpoints; worker processes and scripts can import this module."""

from __future__ import annotations

import dataclasses
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from tests.contract.stages import Batches, OddFilter, Sources

from nemo_curator.backends.base import BaseExecutor, BaseStageAdapter
from nemo_curator.errors import WeightsNotFoundError
from nemo_curator.stages.base import CompositeStage, ProcessingStage
from nemo_curator.tasks import EmptyTask, FileGroupTask, ImageBatch, StagePerfStats, Task


@dataclass
class Marks(ProcessingStage[FileGroupTask, FileGroupTask]):
    """Leaves a file in a folder for every partition it is given, each time; waits while a file there holds it."""

    folder: str
    _name: str = "marks"

    def process(self, task):
        """Mark, and wait."""
        name = Path(task.data[0]).stem
        (Path(self.folder) / f"{name}-{uuid.uuid4().hex}.mark").touch()
        while (Path(self.folder) / f"hold-{name}").exists():
            time.sleep(0.01)
        return task


@dataclass
class Paints(ProcessingStage[ImageBatch, ImageBatch]):
    """Gives images pixels, and edits some of them inside the array, as careless stages do."""

    _name: str = "paints"

    def process(self, task):
        """All kinds of things that an image may carry."""
        for image in task.data:
            number = int(image.image_id[-1])
            image.encoded = b"bytes of " + image.image_id.encode()
            image.attach_pixels(np.full((3, 4, 3), number, np.uint8))
            if number % 4:
                image.image_data[0, 0] = 255
            image.embedding = np.full(4, 0.5, np.float32)
            image.scores = {"number": number, "nan": float("nan")}
            image.metadata |= {"mean": np.float32(number), "pair": (number, None), 7: {"deep": [b"x"]}}
        task._metadata = {**task._metadata, "painted": True}
        return task


@dataclass
class Adds(ProcessingStage[ImageBatch, ImageBatch]):
    """Leaves something of choice in the metadata of every image."""

    what: object = None
    _name: str = "adds"

    def process(self, task):
        """In place."""
        for image in task.data:
            image.metadata["what"] = self.what() if callable(self.what) else self.what
        return task


@dataclass
class Fetches(ProcessingStage[ImageBatch, ImageBatch]):
    """Needs weights that it fetches before it is set up, as CLIP does where the client of the hub is installed."""

    place: str
    _name: str = "fetches"

    def provenance(self):
        """The weights."""
        if not Path(self.place).exists():
            raise WeightsNotFoundError("this weight file is missing", where=self.place)
        return {"weights": Path(self.place).read_text(encoding="utf-8")}

    def setup_on_node(self, _node_info=None, _worker_metadata=None):
        """Fetch them."""
        Path(self.place).write_text("weights", encoding="utf-8")

    def process(self, task):
        """As it is."""
        return task


@dataclass
class Own(Task[list[int]]):
    """A user's own kind of task."""

    @property
    def num_items(self):
        """Items."""
        return len(self.data or [])

    def validate(self):
        """Always."""
        return True


class GivesOwn(ProcessingStage[ImageBatch, Own]):
    """Ends in a user's own kind of task."""

    name = "gives_own"

    def process(self, task):
        """Nothing that anybody knows."""
        return Own(data=[1])


class Whole(CompositeStage[EmptyTask, ImageBatch]):
    """A pipeline in one stage."""

    name = "whole"

    def __init__(self, folder):
        """Where to leave marks."""
        self.folder = folder

    def decompose(self):
        """Its stages."""
        return [Sources(), Marks(self.folder), Batches(), Paints(), OddFilter()]


class Breadth(BaseExecutor):
    """A user's executor, of the plainest kind: a stage after the other over all tasks, in this process."""

    def execute(self, stages, initial_tasks=None):
        """Without anything but the one verb."""
        tasks = list(initial_tasks or [EmptyTask()])
        for stage in stages:
            adapter = BaseStageAdapter(stage)
            adapter.setup_on_node()
            adapter.setup()
            tasks = [result for task in tasks for result in adapter.process_batch([task])]
            adapter.teardown()
        self.records = [record for task in tasks if isinstance(task, ImageBatch) for record in task.records]
        return tasks


def told(value):
    """All that is in a value, of every class and at any depth, in a form that compares; timings left out."""
    for kind, say in _SAID.items():
        if isinstance(value, kind):
            return type(value), say(value)
    raise AssertionError("everything is an object")


_SAID = {
    StagePerfStats: lambda value: (value.stage_name, value.num_items_processed, told(value.custom_metrics)),
    np.ndarray: lambda value: (value.dtype, value.shape, value.tobytes()),
    np.generic: lambda value: (value.dtype, value.tobytes()),
    pa.Table: lambda value: (value.schema.to_string(), told(value.to_pylist())),  # chunks say nothing
    dict: lambda value: [(told(name), told(item)) for name, item in value.items()],
    list | tuple: lambda value: [told(item) for item in value],
    set | frozenset: lambda value: sorted(repr(told(item)) for item in value),
    object: lambda value: (
        told({one.name: getattr(value, one.name) for one in dataclasses.fields(value)})
        if dataclasses.is_dataclass(value)
        else repr(value)
    ),
}


def marked(folder):
    """How often each partition was run."""
    names = [path.name.partition("-")[0] for path in Path(folder).glob("*.mark")]
    return {name: names.count(name) for name in sorted(set(names))}

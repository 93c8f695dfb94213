"""Stages that behave and misbehave; worker processes can import this module."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nemo_curator.stages.base import ProcessingStage
from nemo_curator.stages.image.filters.base import BaseFilterStage
from nemo_curator.tasks import EmptyTask, FileGroupTask, ImageBatch, ImageObject


@dataclass
class Sources(ProcessingStage[EmptyTask, FileGroupTask]):
    """Makes partitions of nothing but names: `a` is the first, and so on."""

    partitions: int = 3
    _name: str = "sources"

    def process(self, task):
        """The partitions."""
        return [FileGroupTask(data=[chr(97 + number)]) for number in range(self.partitions)]


@dataclass
class Batches(ProcessingStage[FileGroupTask, ImageBatch]):
    """Reads partitions: `batches` of `size` images each, named `a/0`, `a/1`, …."""

    batches: int = 2
    size: int = 3
    _name: str = "batches"

    def outputs(self):
        """Images with ids."""
        return ["data"], ["image_id"]

    def process(self, task):
        """The batches."""
        first = task.data[0]
        names = [f"{first}/{number}" for number in range(self.batches * self.size)]
        return [
            ImageBatch(data=[ImageObject(image_id=name) for name in names[start : start + self.size]])
            for start in range(0, len(names), self.size)
        ]


class Plain(ProcessingStage[ImageBatch, ImageBatch]):
    """Notes who it is on every image."""

    name = "plain"

    def process(self, task):
        """In place."""
        for image in task.data:
            image.metadata["pid"] = os.getpid()
        return task


@dataclass
class OddFilter(BaseFilterStage):
    """Rejects every image with an odd number."""

    _name: str = "odd"

    def score(self, images):
        """0 for even, 1 for odd."""
        return np.array([int(image.image_id[-1]) % 2 for image in images])


class ForeignFilter(ProcessingStage[ImageBatch, ImageBatch]):
    """Written elsewhere: returns a new batch, without records, and without the images it does not like."""

    name = "foreign"

    def process(self, task):
        """Only images 0 to 2 stay."""
        kept = [image for image in task.data if int(image.image_id[-1]) < 3]
        return ImageBatch(dataset_name=task.dataset_name, data=kept)


class Copies(ProcessingStage[ImageBatch, ImageBatch]):
    """Returns copies of everything."""

    name = "copies"

    def process(self, task):
        """As pickling would."""
        import copy

        return copy.deepcopy(task)


class Drops(ProcessingStage[ImageBatch, ImageBatch]):
    """Returns None for the batches of one partition."""

    name = "drops"

    def process(self, task):
        """None for partition `b`."""
        return None if task.data and task.data[0].image_id.startswith("b/") else task


class Splits(ProcessingStage[ImageBatch, ImageBatch]):
    """Returns a list: one batch an image."""

    name = "splits"

    def process(self, task):
        """New batches without ids of their own."""
        return [ImageBatch(data=[image]) for image in task.data]


class Groups(ProcessingStage[ImageBatch, ImageBatch]):
    """Notes how many batches it was given at once."""

    name = "groups"
    batch_size = 2

    def process(self, task):
        """Never called."""
        raise AssertionError("process was called although there is process_batch")

    def process_batch(self, tasks):
        """All at once."""
        for task in tasks:
            task._metadata = {**task._metadata, "together": len(tasks)}
        return tasks


@dataclass
class Raises(ProcessingStage[ImageBatch, ImageBatch]):
    """Edits every image, and raises on those named."""

    on: tuple[str, ...] = ()
    error: type[Exception] = RuntimeError
    _name: str = "raises"

    def process(self, task):
        """Whatever was edited before the failure must not be edited twice."""
        for image in task.data:
            if image.image_id in self.on or "*" in self.on:
                raise self.error(f"cannot take {image.image_id}")
            image.metadata["edits"] = image.metadata.get("edits", 0) + 1
        return task


@dataclass
class Dies(ProcessingStage[ImageBatch, ImageBatch]):
    """Ends its own process, or never returns, on the images named; tells its supervisor which is in work."""

    on: tuple[str, ...] = ()
    how: str = "SIGKILL"
    watched: bool = True
    _name: str = "dies"

    def setup(self, _worker_metadata=None):
        """Remember whom to tell."""
        self._watch = _worker_metadata.watch

    def process(self, task):
        """One image after another."""
        for image in task.data:
            if self.watched:
                self._watch(image.image_id)
            if image.image_id in self.on or "*" in self.on:
                self._end()
            if self.watched:
                self._watch("")
        return task

    def _end(self):
        """As told."""
        if self.how == "hang":
            time.sleep(600)
        elif self.how == "exit":
            os._exit(3)
        os.kill(os.getpid(), getattr(signal, self.how))


@dataclass
class DiesOnce(Dies):
    """Dies the first time only, as of bad luck."""

    mark: str = ""
    _name: str = "dies_once"

    def _end(self):
        """Unless it did before."""
        mark = Path(self.mark)
        if not mark.exists():
            mark.touch()
            super()._end()


@dataclass
class Sleeps(ProcessingStage[ImageBatch, ImageBatch]):
    """Says who it is in a folder, starts a process of its own, and sleeps."""

    folder: str = ""
    _name: str = "sleeps"

    def process(self, task):
        """For ten minutes."""
        child = subprocess.Popen(["sleep", "600"])  # it belongs to the worker, and must go with it
        for process in (os.getpid(), child.pid):
            (Path(self.folder) / str(process)).touch()
        time.sleep(600)
        return task


@dataclass
class OnNode(ProcessingStage[ImageBatch, ImageBatch]):
    """Prepares its host slowly, and refuses to be set up on one that is not prepared."""

    folder: str = ""
    _name: str = "on_node"

    def setup_on_node(self, _node_info=None, _worker_metadata=None):
        """Once a host."""
        time.sleep(0.3)
        (Path(self.folder) / f"prepared-{os.getpid()}").touch()

    def setup(self, _worker_metadata=None):
        """Each worker, after that."""
        if len(list(Path(self.folder).glob("prepared-*"))) != 1:
            raise RuntimeError("the host is not prepared")
        (Path(self.folder) / f"setup-{os.getpid()}").touch()

    def teardown(self):
        """Each worker, at the end."""
        (Path(self.folder) / f"teardown-{os.getpid()}").touch()

    def process(self, task):
        """As it is."""
        return task


class Large(ProcessingStage[ImageBatch, ImageBatch]):
    """Gives every image pixels that no socket buffer holds."""

    name = "large"

    def process(self, task):
        """Four megabytes an image."""
        for image in task.data:
            image.image_data = np.full((1024, 1365, 3), int(image.image_id[-1]), np.uint8)
        return task


class BrokenSetup(Plain):
    """Cannot be set up."""

    name = "broken_setup"

    def setup(self, _worker_metadata=None):
        """Nothing there."""
        raise FileNotFoundError("no weights at /nowhere")


class DeadSetup(Plain):
    """Kills its worker while it is set up."""

    name = "dead_setup"

    def setup(self, _worker_metadata=None):
        """As a native library would."""
        os.kill(os.getpid(), signal.SIGABRT)

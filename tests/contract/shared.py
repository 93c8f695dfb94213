"""Models that the inference process holds, and a stage that calls them; other processes can import this module."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from nemo_curator.errors import WeightsError
from nemo_curator.models.request import ModelRequest
from nemo_curator.stages.base import ProcessingStage
from nemo_curator.stages.shared_model import place
from nemo_curator.tasks import FileGroupTask, ImageBatch, ImageObject

ROOT = Path(__file__).parents[2]
PIXELS = 8  # side of a picture


def mark(folder: str, name: str) -> int:
    """Leave a file that tells what was done and by whom; how many of that name there are now."""
    place = Path(folder)
    (place / f"{name}-{os.getpid()}-{time.monotonic_ns()}").touch()
    return marks(place, name)


def children() -> list[psutil.Process]:
    """Processes that this one has started, but for a Ray cluster that other tests keep open."""
    ray = f"{os.sep}ray{os.sep}"
    return [one for one in psutil.Process().children() if not any(ray in word for word in one.cmdline())]


def alone(function: Callable[..., Any], *words: str) -> Any:
    """What a function of a test module gives in a process of its own, where no other test left anything open.

    A Ray cluster that other tests keep, for one, opens and closes what it likes, when it likes.
    """
    code = (
        f"import json, sys; from {function.__module__} import {function.__name__} as asked; "
        "print(json.dumps(asked(*sys.argv[1:])))"
    )
    path = os.pathsep.join([str(ROOT), *filter(None, sys.path)])
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *words],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def marks(folder: Path | str, name: str) -> int:
    """How often something was done."""
    return len(list(Path(folder).glob(f"{name}-*")))


@dataclass
class Sums:
    """Gives each picture's sum and its largest number, and tells where it was loaded."""

    folder: str
    threads: int = 1

    def setup(self):
        """Once in every process that calls it."""
        mark(self.folder, "loaded")

    def __call__(self, pictures):
        """float32 (N, 2)."""
        flat = np.asarray(pictures).reshape(len(pictures), -1)
        return np.stack([flat.sum(axis=1, dtype=np.float64), flat.max(axis=1)], axis=1).astype(np.float32)


@dataclass
class Dying(Sums):
    """Ends its own process in its first calls, or while it is loaded."""

    calls: int = 0
    loads: int = 0

    def setup(self):
        """As told."""
        super().setup()
        if marks(self.folder, "loaded") <= self.loads:
            os.kill(os.getpid(), signal.SIGKILL)

    def __call__(self, pictures):
        """As told."""
        if mark(self.folder, "called") <= self.calls:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__call__(pictures)


@dataclass
class Killing(Sums):
    """Ends the worker that waits for it, whose number stands in its pictures, in its first calls."""

    calls: int = 0

    def __call__(self, pictures):
        """As told."""
        (caller,) = {int(one) for one in np.asarray(pictures)[:, 0, :4, 0].copy().view("<u4")[:, 0]}
        if mark(self.folder, "called") <= self.calls:
            os.kill(caller, signal.SIGKILL)
        return np.zeros((len(pictures), 2), np.float32)


@dataclass
class Slow(Sums):
    """Takes its time, for loading and for each call."""

    seconds: float = 0

    def setup(self):
        """Slowly."""
        super().setup()
        time.sleep(self.seconds)

    def __call__(self, pictures):
        """Slowly."""
        mark(self.folder, "called")
        time.sleep(self.seconds)
        return super().__call__(pictures)


@dataclass
class Hangs(Sums):
    """Never answers its first calls, or is never loaded at first, as a native library that waits for itself."""

    calls: int = 0
    loads: int = 0

    def setup(self):
        """As told."""
        super().setup()
        if marks(self.folder, "loaded") <= self.loads:
            time.sleep(3600)

    def __call__(self, pictures):
        """As told."""
        if mark(self.folder, "called") <= self.calls:
            time.sleep(3600)
        return super().__call__(pictures)


@dataclass
class Fails(Sums):
    """Cannot be loaded."""

    ours: bool = True

    def setup(self):
        """With an error of ours, or another one."""
        if self.ours:
            raise WeightsError("this is no weight file", where="w.pth", act="put another one there")
        raise RuntimeError("a library says no")


@dataclass
class Picky(Sums):
    """Raises on pictures that hold a 13."""

    def __call__(self, pictures):
        """A number that no uint8 picture of another image holds."""
        if (np.asarray(pictures) == 13).any():
            raise ValueError("thirteen")
        return super().__call__(pictures)


@dataclass
class Pictures(ProcessingStage[FileGroupTask, ImageBatch]):
    """Reads partitions: `batches` of `size` pictures each, `a/0`, `a/1`, …, of which number k is full of k."""

    batches: int = 2
    size: int = 3
    _name: str = "pictures"

    def outputs(self):
        """Images with ids."""
        return ["data"], ["image_id"]

    def stream(self, task):
        """One batch after the other."""
        for start in range(0, self.batches * self.size, self.size):
            names = [f"{task.data[0]}/{number}" for number in range(start, start + self.size)]
            pixels = [np.full((PIXELS, PIXELS, 3), number, np.uint8) for number in range(start, start + self.size)]
            yield ImageBatch(
                data=[ImageObject(image_id=name, image_data=one) for name, one in zip(names, pixels, strict=True)]
            )

    def process(self, task):
        """All of them."""
        return list(self.stream(task))


@dataclass
class Calls(ProcessingStage[ImageBatch, ImageBatch]):
    """Calls a shared model, and notes what it gives on every image."""

    request: ModelRequest | None = None
    own_number: bool = False
    _name: str = "calls"

    def shared_models(self):
        """The one."""
        return (self.request,)

    def setup(self, _worker_metadata=None):
        """Here or there."""
        self.model = place(self.shared_models(), _worker_metadata, self.request.model)
        self.model.setup()

    def process(self, task):
        """Rows beside the images."""
        pictures = np.stack([image.image_data for image in task.data])
        if self.own_number:
            pictures[:, 0, :4, 0] = np.frombuffer(np.uint32(os.getpid()).tobytes(), np.uint8)
        for image, row in zip(task.data, self.model(pictures), strict=True):
            image.metadata["row"] = row.tolist()
        return task

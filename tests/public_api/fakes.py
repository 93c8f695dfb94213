"""Stages, models and data that the tests of the public surface use; worker processes can import this module."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nemo_curator.stages.base import ProcessingStage
from nemo_curator.stages.image.filters.base import BaseFilterStage
from nemo_curator.tasks import ImageBatch, ImageObject
from nemo_curator.testing import encoded, make_tar, photo


@dataclass
class GivenScores(BaseFilterStage):
    """Scores images by the number under `score` in their metadata."""

    _name: str = "image_given_filter"

    def score(self, images):
        """The given numbers."""
        return np.array([image.metadata["score"] for image in images], np.float64)


class Rename(ProcessingStage[ImageBatch, ImageBatch]):
    """Gives its images new ids: a stage of the plainest kind."""

    name = "rename"

    def process(self, task):
        """Change ids in place."""
        for image in task.data:
            image.image_id = f"new-{image.image_id}"
        return task


class EmbedAnything:
    """Stands for CLIP: a deterministic unit-norm vector of 768 numbers from a picture's mean colours."""

    def __init__(self, model_dir: str | None = None, **_: Any) -> None:
        """Nothing is loaded yet."""
        self.model_dir = model_dir
        self.weights = None

    @classmethod
    def download_weights_on_node(cls, model_dir: str | None) -> None:
        """Nothing to fetch."""

    def setup(self) -> None:
        """Make the projection."""
        self.weights = np.random.default_rng(7).normal(size=(12, 768))

    def __call__(self, images):
        """`(N, 768)` float32."""
        assert self.weights is not None, "setup() was not called"
        rows = [np.array_split(np.asarray(image, np.float64).reshape(-1, 3), 4) for image in images]
        colours = np.array([[part.mean(axis=0) for part in row] for row in rows]).reshape(len(rows), 12)
        vectors = (colours / 255 - 0.5) @ self.weights
        return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


class Tensor:
    """What a torch tensor looks like from outside; NumPy alone could not convert it."""

    def __init__(self, values: Any, log: list[str] | None = None) -> None:
        """Note what is done to it."""
        self.values = np.asarray(values)
        self.log = [] if log is None else log

    def _step(self, name: str) -> Tensor:
        """The same values, one step on."""
        self.log.append(name)
        return Tensor(self.values, self.log)

    def detach(self):
        """Off the graph."""
        return self._step("detach")

    def cpu(self):
        """Off the device."""
        return self._step("cpu")

    def float(self):
        """To a type that NumPy knows."""
        return self._step("float")

    def numpy(self):
        """The array, once all of the steps were taken."""
        if self.log[-3:] != ["detach", "cpu", "float"]:
            raise TypeError(f"a tensor on a device, with a gradient, cannot become an array: {self.log}")
        return self.values

    def __array__(self, *_: Any, **__: Any) -> np.ndarray:
        raise TypeError("a tensor on a device cannot become an array")


def batch_of(scores: list[float], **fields: Any) -> ImageBatch:
    """A batch of images named `i0`, `i1`, … with a given score each."""
    images = [ImageObject(image_id=f"i{index}", metadata={"score": score}) for index, score in enumerate(scores)]
    return ImageBatch(data=images, **fields)


def ids(batch: ImageBatch) -> list[str]:
    """The ids of the images still in play."""
    return [image.image_id for image in batch.data]


def members(count: int, first: int = 0, prefix: str = "k") -> list[tuple[str, bytes]]:
    """Members of a shard: `count` small photos, each with a caption and a label."""
    found: list[tuple[str, bytes]] = []
    for seed in range(first, first + count):
        key = f"{prefix}{seed:03d}"
        found.append((f"{key}.jpg", encoded(photo(seed, 64, 48), quality=90)))
        found.append((f"{key}.txt", f"photo number {seed}".encode()))
        found.append((f"{key}.json", json.dumps({"seed": seed}).encode()))
    return found


def make_shards(folder: Path, shards: int = 3, each: int = 4) -> list[Path]:
    """Small tars with the same keys in every one: `folder/00000.tar`, …."""
    return [make_tar(folder / f"{number:05d}.tar", members(each)) for number in range(shards)]

"""Stages that make embeddings and stand on them, without a model; they keep a tally of what they are asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from nemo_curator.kernels.view import View
from nemo_curator.stages.base import ProcessingStage
from nemo_curator.stages.declarations import Cost, Needs
from nemo_curator.stages.image.embedders.clip_embedder import attach
from nemo_curator.stages.image.embeddings import stack_embeddings
from nemo_curator.stages.image.filters.base import BaseFilterStage
from nemo_curator.stages.image.pixels import stack

VIEW = View(8, "squash")
TALLY: list[str] = []
"""`loaded` for every embedder that was set up, and the id of every image that one embedded, in this process."""


@dataclass
class TallyEmbedderStage(ProcessingStage):
    """The pixels of a small view, as a direction."""

    _name: str = "tally_embedder"
    cost: ClassVar[Cost] = Cost.MODEL

    def outputs(self):
        """Images with an embedding."""
        return ["data"], ["embedding"]

    def needs(self):
        """A small view."""
        return Needs(views=(VIEW,))

    def setup(self, _worker_metadata=None):
        """A model would be loaded here."""
        TALLY.append("loaded")

    def score_columns(self):
        """No columns."""
        return ()

    def annotate(self, task):
        """As `process`."""
        return self.process(task)

    def process(self, task):
        """Embed a batch."""
        TALLY.extend(image.image_id for image in task.data)
        if task.data:
            attach(task.data, stack(task.data, VIEW).reshape(len(task.data), -1).astype(np.float32) - 100, self.name)
        return task


@dataclass
class HeadStage(BaseFilterStage):
    """A number that shows the last bit of an embedding."""

    seed: int = 0
    _name: str = "head"

    def needs(self):
        """The embedding."""
        return Needs(embedding=True)

    def score(self, images):
        """The product with a direction of chance."""
        rows = stack_embeddings(images, self.name).astype(np.float64)
        return np.add.reduce(rows * np.random.default_rng(self.seed).standard_normal(rows.shape[1]), axis=1)


@dataclass
class OtherHeadStage(HeadStage):
    """Another column of the same kind."""

    seed: int = 1
    _name: str = "other_head"


@dataclass
class PickyHeadStage(HeadStage):
    """Has no number for images whose id ends in `1.jpg`, or in a tar in `1`."""

    seed: int = 2
    _name: str = "picky_head"

    def score(self, images):
        """NaN for some."""
        picked = [image.image_id.removesuffix(".jpg").endswith("1") for image in images]
        return np.where(picked, np.nan, super().score(images))


@dataclass
class PickyEmbedderStage(TallyEmbedderStage):
    """Gives images whose id ends in `2.jpg`, or in a tar in `2`, a number that 16 bits cannot hold."""

    _name: str = "picky_embedder"

    def process(self, task):
        """Embed a batch, some of it badly."""
        for image in super().process(task).data:
            if image.image_id.removesuffix(".jpg").endswith("2"):
                image.embedding = image.embedding * np.float32(1e6)
        return task


@dataclass
class UndeclaredStage(HeadStage):
    """Looks at the embedding, and does not say so."""

    seed: int = 3
    _name: str = "undeclared"

    def needs(self):
        """Nothing declared."""

"""A score stage as a run uses it: it records, and leaves rejecting to the rules."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import cast

import numpy as np

from nemo_curator.models.request import ModelRequest
from nemo_curator.stages.base import ProcessingStage
from nemo_curator.stages.catalogue import ScoreStage
from nemo_curator.stages.declarations import Needs
from nemo_curator.stages.image.embedding_fit import embedding_dimension, gives_embeddings
from nemo_curator.stages.image.embeddings import as_stored
from nemo_curator.stages.image.rejections import rejected_by
from nemo_curator.stages.worker import NodeInfo, WorkerMetadata
from nemo_curator.tasks import ImageBatch


class AnnotateStage(ProcessingStage[ImageBatch, ImageBatch]):
    """Calls `annotate` of a score stage where a pipeline made by hand would call `process`.

    Embeddings go on as they are stored, so that a score which is added later, from the stored ones, is the same number.

    Args:
        stage: The score stage.
        skipped_by: Numbers of rules; images that a gate before has marked with one of them are passed over, and get a
            row of zeros for an embedding.
    """

    def __init__(
        self, stage: ProcessingStage[ImageBatch, ImageBatch], skipped_by: Collection[int] = frozenset()
    ) -> None:
        self.stage = stage
        self.skipped_by = frozenset(skipped_by)
        self._name = stage.name
        self._resources = stage.resources

    def needs(self) -> Needs | None:
        """What the score stage needs."""
        return self.stage.needs()

    def shared_models(self) -> Sequence[ModelRequest]:
        """What the score stage shares."""
        return self.stage.shared_models()

    def model_bytes(self) -> int:
        """What the score stage's models take."""
        return self.stage.model_bytes()

    def setup_on_node(self, _node_info: NodeInfo | None = None, _worker_metadata: WorkerMetadata | None = None) -> None:
        """Prepare the host for the score stage."""
        self.stage.setup_on_node(_node_info, _worker_metadata)

    def setup(self, _worker_metadata: WorkerMetadata | None = None) -> None:
        """Prepare the worker for the score stage."""
        self.stage.setup(_worker_metadata)

    def teardown(self) -> None:
        """Release what the score stage took."""
        self.stage.teardown()

    def process(self, task: ImageBatch) -> ImageBatch:
        """Record the columns of every image.

        Raises:
            EmbeddingError: An embedding cannot be stored; given alone, only its image is lost.
        """
        skipped = [image for image in task.data if self.skipped_by & rejected_by(image)]
        if not skipped:
            return self._annotated(task)
        left = [image for image in task.data if not self.skipped_by & rejected_by(image)]
        annotated = self._annotated(task.filtered(left)) if left else task.filtered([])
        if gives_embeddings(self.stage):
            for image in skipped:
                image.embedding = np.zeros(embedding_dimension(self.stage), np.float32)
        annotated.data = sorted([*annotated.data, *skipped], key=lambda image: image.source.ordinal)
        return annotated

    def _annotated(self, task: ImageBatch) -> ImageBatch:
        annotated = cast("ScoreStage", self.stage).annotate(task)
        if gives_embeddings(self.stage):
            for image in annotated.data:
                if image.embedding is not None:
                    image.embedding = as_stored(image.embedding)
        return annotated

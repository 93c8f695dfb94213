"""Scores by a model of the registry, be it one that looks at pixels or a head on embeddings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy.typing as npt

from nemo_curator.errors import ModelError
from nemo_curator.models import registry
from nemo_curator.stages.declarations import Needs
from nemo_curator.stages.image.embeddings import stack_embeddings
from nemo_curator.stages.image.filters.base import BaseFilterStage
from nemo_curator.stages.image.pixels import stack
from nemo_curator.stages.worker import WorkerMetadata
from nemo_curator.tasks import ImageObject


@dataclass
class ImageModelFilterStage(BaseFilterStage):
    """A filter whose one column comes from a model with a name; a subclass says for which task, and what the column is.

    Args:
        model: Name in the model registry.

    A subclass sets, besides what every filter may:
        task: What models must be for, to be named here.

    Raises:
        UnknownModelError: No model has that name.
        ModelError: The model gives another kind of output.
        WeightsNotFoundError: Its weights are not there.
    """

    model: str = ""

    task: ClassVar[registry.Task]

    def __post_init__(self) -> None:
        """Find the model now, so that a mistake is told before a run begins."""
        super().__post_init__()
        spec = registry.get_spec(self.model)
        if spec.task != self.task:
            known = ", ".join(one.name for one in registry.specs(self.task))
            raise ModelError(
                f"the model {self.model!r} is for another task ({spec.task}) than {self.name!r}", act=f"known: {known}"
            )
        self._model: registry.ImageModel | registry.Head
        if isinstance(spec, registry.HeadSpec):
            self._needs = Needs(embedding=True, embedding_of=frozenset(spec.embeddings))
            self._model = registry.create_head(self.model, self.model_dir)
        else:
            self._needs = Needs(views=(spec.view,))
            self._model = registry.create(self.model, model_dir=self.model_dir)

    def needs(self) -> Needs:
        """The model's own view; for a head the embedding that it was trained on, and no pixel."""
        return self._needs

    def provenance(self) -> dict[str, Any]:
        """The model's weights and what computes with them."""
        return {**super().provenance(), **registry.provenance(self.model, self.model_dir)}

    def setup(self, _worker_metadata: WorkerMetadata | None = None) -> None:
        """Load the model.

        Raises:
            WeightsError: Its weights are damaged, not the pinned ones, or of another model.
        """
        self._model.setup()

    def score(self, images: list[ImageObject]) -> npt.NDArray[Any]:
        """`(N,)` scores of the model."""
        # a variable, because no type says that a model of pictures gets pictures and a head embeddings
        given: Any = stack(images, *self._needs.views) if self._needs.views else stack_embeddings(images, self.name)
        return self._model(given)

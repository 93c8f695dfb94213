"""Scores by a model of the registry, be it one that looks at pixels or a head on embeddings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from nemo_curator.models import registry
from nemo_curator.stages.declarations import Needs
from nemo_curator.stages.image.embeddings import stack_embeddings
from nemo_curator.stages.image.filters.registered_filter import RegisteredModelFilterStage
from nemo_curator.stages.image.pixels import stack
from nemo_curator.tasks import ImageObject


@dataclass
class ImageModelFilterStage(RegisteredModelFilterStage):
    """A filter whose one column is what a model gives; a subclass says for which task, and what the column is."""

    def _find(self, spec: registry.ModelSpec | registry.HeadSpec) -> Needs:
        self._model: registry.ImageModel | registry.Head
        if isinstance(spec, registry.HeadSpec):
            self._model = registry.create_head(self.model, self.model_dir)
            return Needs(embedding=True, embedding_of=frozenset(spec.embeddings))
        self._model = registry.create(self.model, model_dir=self.model_dir)
        return Needs(views=(spec.view,))

    def _load(self) -> None:
        self._model.setup()

    def score(self, images: list[ImageObject]) -> npt.NDArray[Any]:
        """`(N,)` scores of the model."""
        # a variable, because no type says that a model of pictures gets pictures and a head embeddings
        given: Any = stack(images, *self._needs.views) if self._needs.views else stack_embeddings(images, self.name)
        return self._model(given)

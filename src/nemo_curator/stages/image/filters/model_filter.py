"""Scores by a model of the registry, be it one that looks at pixels or a head on embeddings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from nemo_curator.errors import ModelError
from nemo_curator.models import registry
from nemo_curator.models.numerics import choose
from nemo_curator.stages.declarations import Needs
from nemo_curator.stages.image.embeddings import stack_embeddings
from nemo_curator.stages.image.filters.registered_filter import RegisteredModelFilterStage
from nemo_curator.stages.image.pixels import stack
from nemo_curator.tasks import ImageObject


@dataclass
class ImageModelFilterStage(RegisteredModelFilterStage):
    """A filter whose one column is what a model gives; a subclass says for which task, and what the column is.

    Args:
        runtime: Name of the library that runs a model of pictures; None means the fastest that is installed.
        precision: `fp32` or `bf16`, for a model of pictures; None means `fp32`. A recipe's `inference` sets both.
    """

    runtime: str | None = None
    precision: str | None = None

    def computed_model(self) -> registry.ModelSpec | None:
        """The model whose runtime and precision can be chosen; None for a head."""
        return self._spec if isinstance(self._spec, registry.ModelSpec) else None

    def provenance(self) -> dict[str, Any]:
        """The model's weights and what computes with them."""
        return {**super().provenance(), **registry.provenance(self.model, self.model_dir, self._numerics)}

    def _find(self, spec: registry.ModelSpec | registry.HeadSpec) -> Needs:
        self._model: registry.ImageModel | registry.Head
        self._spec, self._numerics = spec, None
        if isinstance(spec, registry.HeadSpec):
            if self.runtime is not None or self.precision is not None:
                raise ModelError(
                    f"{self.model!r} is a head, which is computed in one way only",
                    act=f"set runtime and precision of the embedding that {self.name!r} takes",
                )
            self._model = registry.create_head(self.model, self.model_dir)
            return Needs(embedding=True, embedding_of=frozenset(spec.embeddings))
        self._numerics = choose(spec.precisions, self.runtime, self.precision)
        self._model = registry.create(self.model, model_dir=self.model_dir, numerics=self._numerics)
        return Needs(views=(spec.view,))

    def _load(self) -> None:
        self._model.setup()

    def score(self, images: list[ImageObject]) -> npt.NDArray[Any]:
        """`(N,)` scores of the model."""
        # a variable, because no type says that a model of pictures gets pictures and a head embeddings
        given: Any = stack(images, *self._needs.views) if self._needs.views else stack_embeddings(images, self.name)
        return self._model(given)

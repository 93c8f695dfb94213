"""A filter that compares what an image shows with texts, by the text tower of the model that embedded the image."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from nemo_curator.errors import StageError
from nemo_curator.models import registry
from nemo_curator.models.embeddings import as_rows
from nemo_curator.models.model_memory import model_memory
from nemo_curator.models.numerics import Numerics
from nemo_curator.models.request import ModelRequest
from nemo_curator.models.text_numerics import TEXT_RUNTIMES, text_numerics
from nemo_curator.stages.declarations import Needs
from nemo_curator.stages.fingerprint import unicode_version
from nemo_curator.stages.image.embeddings import stack_embeddings
from nemo_curator.stages.image.filters.base import BaseFilterStage
from nemo_curator.tasks import ImageObject


@dataclass
class TextTowerFilterStage(BaseFilterStage):
    """Finds its text tower when it is told the model, so that a mistake is told before a run begins.

    Args:
        model: Name of the embedding model; "" means whichever a recipe computes. In a pipeline made by hand it has to
            be named: `clip-vit-large-patch14` is the model of `ImageEmbeddingStage`.
        runtime: Name of the library that runs the text tower, `openvino` or `onnxruntime`; None means the fastest that
            is installed.
        precision: `fp32`, `bf16` or `int8`; None means `fp32`.

    Raises:
        TypeError: `model` is no name.
        UnknownModelError: No model has that name.
        ModelError: The model has no text tower, or is not computed in that way here.
        WeightsNotFoundError: Its weights are not there.
        WeightsError: What is there has no text tower, or one with other tokens.
    """

    model: str = ""
    runtime: str | None = None
    precision: str | None = None

    def __post_init__(self) -> None:
        """Find the text tower, if the model is known already."""
        super().__post_init__()
        if not isinstance(self.model, str):
            raise TypeError(f"model is the name of a model, not {self.model!r}")
        self._text: registry.TextModel | None = None
        self._numerics: Numerics | None = None
        if self.model:
            spec = registry.get_spec(self.model, self.model_dir)
            known = spec.precisions if isinstance(spec, registry.ModelSpec) else ()
            self._numerics = text_numerics(known, self.runtime, self.precision)
            self._request = ModelRequest.of(
                registry.create_text, name=self.model, model_dir=self.model_dir, numerics=self._numerics
            )
            self._text = self._request.model()

    def on_embeddings_of(self, model: str, model_dir: str | None, runtime: str | None) -> Self:
        """The stage for the embeddings that a recipe computes; what it was told itself stays.

        Args:
            model: Name of the embedding model.
            model_dir: Where that model's weights are looked for.
            runtime: The runtime that the recipe wants for its models, if it wants one; one that computes no texts has
                no say.

        Raises:
            ModelError: As the stage itself.
        """
        if self.model:
            return self
        wanted = self.runtime or (runtime if runtime in TEXT_RUNTIMES else None)
        changed: Any = {"model": model, "model_dir": self.model_dir or model_dir, "runtime": wanted}
        return replace(self, **changed)

    def needs(self) -> Needs:
        """The embedding of a model that has a text tower."""
        fitting = [self._text.spec.name] if self._text is not None else registry.with_text()
        return Needs(embedding=True, embedding_of=frozenset(fitting))

    def provenance(self) -> dict[str, Any]:
        """The weights of both towers, the tokenizer, and what computes with them."""
        if not self.model:
            return super().provenance()
        facts = registry.text_provenance(self.model, self.model_dir, self._numerics)
        return {**super().provenance(), **facts, "libraries": facts["libraries"] | unicode_version()}

    def model_bytes(self) -> int:
        """Of the text tower, or 0 where it is not known yet."""
        return 0 if self._text is None else model_memory(self._text.spec, self.model_dir)

    def rows(self, images: list[ImageObject]) -> npt.NDArray[np.float32]:
        """The images' embeddings as `(N, D)`, D being the length of those of the model; NaN where one is unusable.

        Raises:
            StageError: An image has no embedding.
            ValueError: Embeddings of another length are those of another model.
        """
        return as_rows(stack_embeddings(images, self.name), self.tower().spec.dimension)

    def tower(self) -> registry.TextModel:
        """The text tower, not loaded yet.

        Raises:
            StageError: The stage does not know whose embeddings it gets.
        """
        if self._text is None:
            raise StageError(
                f"stage {self.name!r} does not know which model made the embeddings",
                act=f"name it: {type(self).__name__}(model={registry.with_text()[0]!r}, …)",
            )
        return self._text

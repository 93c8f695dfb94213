"""NSFW scores by a model of the registry that looks at pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy.typing as npt

from nemo_curator.errors import ModelError
from nemo_curator.models import registry
from nemo_curator.stages.declarations import Column, Needs
from nemo_curator.stages.image.filters.base import BaseFilterStage
from nemo_curator.stages.image.pixels import stack
from nemo_curator.stages.worker import WorkerMetadata
from nemo_curator.tasks import ImageObject
from nemo_curator.tasks.record import Scalar


@dataclass
class ImageNSFWModelFilterStage(BaseFilterStage):
    """Keeps images whose NSFW probability is below the threshold; the default model ships with the base install.

    Args:
        model: Name in the model registry. `open-nsfw` is Yahoo's residual network (Mahadeokar and Pesavento, 2016).

    Raises:
        UnknownModelError: No model has that name.
        ModelError: The model gives no NSFW score.
        WeightsNotFoundError: Its weights are not there.
    """

    score_threshold: float = 0.8
    _name: str = "nsfw"
    model: str = "open-nsfw"

    columns: ClassVar[tuple[Column, ...]] = (
        Column(
            "nsfw_score",
            unit="probability",
            range=(0.0, 1.0),
            meaning="Probability that the image is not safe for work",
        ),
    )

    def __post_init__(self) -> None:
        """Find the model now, so that a mistake is told before a run begins."""
        super().__post_init__()
        self._spec = registry.get_spec(self.model)
        if self._spec.task != "nsfw":
            raise ModelError(f"the model {self.model!r} gives {self._spec.task}s, not an NSFW score")
        self._model = registry.create(self.model, model_dir=self.model_dir)

    def needs(self) -> Needs:
        """The model's own view."""
        return Needs(views=(self._spec.view,))

    def provenance(self) -> dict[str, Any]:
        """The model's weights and what computes with them."""
        return {**super().provenance(), **registry.provenance(self.model, self.model_dir)}

    def setup(self, _worker_metadata: WorkerMetadata | None = None) -> None:
        """Load the model."""
        self._model.setup()

    def score(self, images: list[ImageObject]) -> npt.NDArray[Any]:
        """`(N,)` NSFW probabilities."""
        return self._model(stack(images, self._spec.view))

    def record_scores(self, image: ImageObject, scores: dict[str, Scalar]) -> None:
        """Set `nsfw_score` besides the column."""
        super().record_scores(image, scores)
        image.nsfw_score = float(scores["nsfw_score"])  # type: ignore[arg-type]  # a float column

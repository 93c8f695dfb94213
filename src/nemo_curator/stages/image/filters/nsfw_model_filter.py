"""NSFW scores by a model of the registry: one that looks at pixels, or a head on embeddings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from nemo_curator.models.registry import Task
from nemo_curator.stages.declarations import Column
from nemo_curator.stages.image.filters.model_filter import ImageModelFilterStage
from nemo_curator.tasks import ImageObject
from nemo_curator.tasks.record import Scalar


@dataclass
class ImageNSFWModelFilterStage(ImageModelFilterStage):
    """Keeps images whose NSFW probability is below the threshold; the default model ships with the base install.

    The default threshold is the one above which the authors of `open-nsfw` call a picture NSFW with confidence. LAION
    calls a picture unsafe above 0.5 with `clip-autokeras-binary-nsfw`.

    Args:
        model: Name in the model registry. `open-nsfw` is Yahoo's residual network (Mahadeokar and Pesavento, 2016);
            `clip-autokeras-binary-nsfw` is a head by LAION, which needs CLIP ViT-L/14 embeddings and weights of yours.

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
    task: ClassVar[Task] = "nsfw"

    def record_scores(self, image: ImageObject, scores: dict[str, Scalar]) -> None:
        """Set `nsfw_score` besides the column."""
        super().record_scores(image, scores)
        image.nsfw_score = float(scores["nsfw_score"])  # type: ignore[arg-type]  # a float column

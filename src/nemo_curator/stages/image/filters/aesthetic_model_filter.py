"""Aesthetic scores by a head of the registry, on the embeddings that the run computes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from nemo_curator.models.registry import Task
from nemo_curator.stages.declarations import Column
from nemo_curator.stages.image.filters.model_filter import ImageModelFilterStage
from nemo_curator.tasks import ImageObject
from nemo_curator.tasks.record import Scalar


@dataclass
class ImageAestheticModelFilterStage(ImageModelFilterStage):
    """Keeps images whose aesthetic score is at or above the threshold.

    The default threshold is where LAION cut: its LAION-Aesthetics V2 5+ is what Stable Diffusion 1 was trained on, and
    of its first predictor it calls all above 5 good. The weights are the user's own.

    Args:
        model: Name of a head in the model registry; it needs the embeddings of the CLIP that it was trained on.

    Raises:
        UnknownModelError: No model has that name.
        ModelError: The model gives no aesthetic score.
        WeightsNotFoundError: Its weights are not there.
    """

    score_threshold: float = 5.0
    _name: str = "aesthetic"
    model: str = "sac-logos-ava1-l14-linearMSE"

    columns: ClassVar[tuple[Column, ...]] = (
        Column(
            "aesthetic_score",
            unit="rating",
            meaning="How much people would like the picture, on a scale of about 1 to 10",
        ),
    )
    keep: ClassVar[Literal["below", "at_or_above"]] = "at_or_above"
    task: ClassVar[Task] = "aesthetic"

    def record_scores(self, image: ImageObject, scores: dict[str, Scalar]) -> None:
        """Set `aesthetic_score` besides the column."""
        super().record_scores(image, scores)
        image.aesthetic_score = float(scores["aesthetic_score"])  # type: ignore[arg-type]  # a float column

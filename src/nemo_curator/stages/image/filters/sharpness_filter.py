"""Sharpness of the brightness, as a score."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from nemo_curator.kernels.sharpness import sharpness
from nemo_curator.stages.declarations import Column, Cost, Needs
from nemo_curator.stages.image.filters.base import BaseFilterStage
from nemo_curator.stages.image.statistics import STATISTICS_VIEW, statistics_luma
from nemo_curator.tasks import ImageObject


@dataclass
class ImageSharpnessFilterStage(BaseFilterStage):
    """Keeps images that are at least as sharp as the threshold, seen at 256 pixels."""

    score_threshold: float = 0.2
    _name: str = "sharpness"

    columns: ClassVar[tuple[Column, ...]] = (
        Column(
            "sharpness",
            range=(0.0, 1.0),
            meaning="Fine structure lost when blurred once more: below 0.2 plainly blurred, photos 0.3 to 0.55",
        ),
    )
    cost: ClassVar[Cost] = Cost.STATISTICS
    keep: ClassVar[Literal["below", "at_or_above"]] = "at_or_above"
    version: ClassVar[int] = 2  # noise and gradients from fewer rows

    def needs(self) -> Needs:
        """The statistics view."""
        return Needs(views=(STATISTICS_VIEW,))

    def score(self, images: list[ImageObject]) -> npt.NDArray[Any]:
        """`(N,)` scores; see `kernels.sharpness`."""
        return np.array([sharpness(statistics_luma(image)) for image in images])

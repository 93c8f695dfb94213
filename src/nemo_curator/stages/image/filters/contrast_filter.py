"""Contrast of the brightness, as a score."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from nemo_curator.kernels.contrast import contrast, dynamic_range
from nemo_curator.stages.declarations import Column, Cost, Needs
from nemo_curator.stages.image.filters.base import BaseFilterStage
from nemo_curator.stages.image.statistics import STATISTICS_VIEW, statistics_histogram, statistics_luma
from nemo_curator.tasks import ImageObject


@dataclass
class ImageContrastFilterStage(BaseFilterStage):
    """Keeps images with at least as much contrast as the threshold; records the range of brightness too."""

    score_threshold: float = None  # type: ignore[assignment]  # none has a basis
    _name: str = "contrast"

    columns: ClassVar[tuple[Column, ...]] = (
        Column(
            "contrast",
            range=(0.0, 1.0),
            meaning="Standard deviation of the brightness in half scales: 0 uniform, 1 half black and half white",
        ),
        Column(
            "dynamic_range",
            range=(0.0, 1.0),
            meaning="Part of the scale from black to white that is used, but for one pixel in 200 at either end",
        ),
    )
    cost: ClassVar[Cost] = Cost.STATISTICS
    keep: ClassVar[Literal["below", "at_or_above"]] = "at_or_above"

    def needs(self) -> Needs:
        """The statistics view."""
        return Needs(views=(STATISTICS_VIEW,))

    def score(self, images: list[ImageObject]) -> dict[str, npt.NDArray[Any]]:
        """The columns; see `kernels.contrast`."""
        shared = [(statistics_luma(image), statistics_histogram(image)) for image in images]
        return {
            "contrast": np.array([contrast(*one) for one in shared]),
            "dynamic_range": np.array([dynamic_range(*one) for one in shared]),
        }

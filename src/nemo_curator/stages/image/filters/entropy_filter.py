"""Entropy of the brightness, as a score."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from nemo_curator.kernels.entropy import entropy
from nemo_curator.stages.declarations import Column, Cost, Needs
from nemo_curator.stages.image.filters.base import BaseFilterStage
from nemo_curator.stages.image.statistics import STATISTICS_VIEW, statistics_histogram, statistics_luma
from nemo_curator.tasks import ImageObject


@dataclass
class ImageEntropyFilterStage(BaseFilterStage):
    """Keeps images with at least as much information as the threshold, in bits a pixel."""

    score_threshold: float = 2.0
    _name: str = "entropy"

    columns: ClassVar[tuple[Column, ...]] = (
        Column(
            "entropy", unit="bits", range=(0.0, 8.0), meaning="Shannon entropy of the brightness; photos 6.5 to 7.8"
        ),
    )
    cost: ClassVar[Cost] = Cost.STATISTICS
    keep: ClassVar[Literal["below", "at_or_above"]] = "at_or_above"

    def needs(self) -> Needs:
        """The statistics view."""
        return Needs(views=(STATISTICS_VIEW,))

    def score(self, images: list[ImageObject]) -> npt.NDArray[Any]:
        """`(N,)` scores; see `kernels.entropy`."""
        return np.array([entropy(statistics_luma(image), statistics_histogram(image)) for image in images])

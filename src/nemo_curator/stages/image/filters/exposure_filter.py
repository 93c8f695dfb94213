"""How an image uses the range from black to white, as scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from nemo_curator.kernels.exposure import exposure
from nemo_curator.stages.declarations import Column, Cost, Needs
from nemo_curator.stages.image.filters.base import BaseFilterStage
from nemo_curator.stages.image.statistics import STATISTICS_VIEW, statistics_histogram, statistics_luma
from nemo_curator.tasks import ImageObject


@dataclass
class ImageExposureFilterStage(BaseFilterStage):
    """Keeps images whose share of dark pixels is below the threshold; records brightness and other shares too."""

    score_threshold: float = 0.95
    _name: str = "exposure"

    columns: ClassVar[tuple[Column, ...]] = (
        Column("dark_share", range=(0.0, 1.0), meaning="Share of pixels in the darkest eighth of the scale"),
        Column("bright_share", range=(0.0, 1.0), meaning="Share of pixels in the brightest eighth of the scale"),
        Column("clipped_share", range=(0.0, 1.0), meaning="Share of pixels at the very ends, where detail is lost"),
        Column("brightness", range=(0.0, 1.0), meaning="Mean brightness, 0 black to 1 white"),
        Column("black_point", range=(0.0, 1.0), meaning="Brightness that one pixel in 200 does not exceed"),
        Column("white_point", range=(0.0, 1.0), meaning="Brightness that all but one pixel in 200 do not exceed"),
    )
    cost: ClassVar[Cost] = Cost.STATISTICS
    version: ClassVar[int] = 2  # two more columns

    def needs(self) -> Needs:
        """The statistics view."""
        return Needs(views=(STATISTICS_VIEW,))

    def score(self, images: list[ImageObject]) -> dict[str, npt.NDArray[Any]]:
        """The columns; see `kernels.exposure`."""
        rows = np.array([exposure(statistics_luma(image), statistics_histogram(image)) for image in images])
        return {column.name: rows[:, index] for index, column in enumerate(self.columns)}

"""How much of an image is a uniform frame, as scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from nemo_curator.kernels.borders import borders
from nemo_curator.stages.declarations import Column, Cost, Needs
from nemo_curator.stages.image.filters.base import BaseFilterStage
from nemo_curator.stages.image.statistics import STATISTICS_VIEW, statistics_rgb
from nemo_curator.tasks import ImageObject


@dataclass
class ImageBordersFilterStage(BaseFilterStage):
    """Keeps images whose uniform frame is a smaller share of them than the threshold."""

    score_threshold: float = None  # type: ignore[assignment]  # none has a basis
    _name: str = "borders"

    columns: ClassVar[tuple[Column, ...]] = (
        Column("border_share", range=(0.0, 1.0), meaning="Share of pixels in uniform lines at the four edges"),
        Column("letterbox_share", range=(0.0, 1.0), meaning="Share of the height that is uniform bars above and below"),
        Column("pillarbox_share", range=(0.0, 1.0), meaning="Share of the width that is uniform bars left and right"),
    )
    cost: ClassVar[Cost] = Cost.STATISTICS

    def needs(self) -> Needs:
        """The statistics view."""
        return Needs(views=(STATISTICS_VIEW,))

    def score(self, images: list[ImageObject]) -> dict[str, npt.NDArray[Any]]:
        """The columns; see `kernels.borders`."""
        rows = np.array([borders(statistics_rgb(image)) for image in images])
        return {column.name: rows[:, index] for index, column in enumerate(self.columns)}

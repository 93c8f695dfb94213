"""How much of an image is edges, as a score."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from nemo_curator.kernels.edges import edge_density
from nemo_curator.stages.declarations import Column, Cost, Needs
from nemo_curator.stages.image.filters.base import BaseFilterStage
from nemo_curator.stages.image.statistics import STATISTICS_VIEW, statistics_luma
from nemo_curator.tasks import ImageObject


@dataclass
class ImageEdgesFilterStage(BaseFilterStage):
    """Keeps images of which at least that share is edges."""

    score_threshold: float = None  # type: ignore[assignment]  # none has a basis
    _name: str = "edges"

    columns: ClassVar[tuple[Column, ...]] = (
        Column("edge_density", range=(0.0, 1.0), meaning="Share of pixels on an edge, seen at 256 pixels"),
    )
    cost: ClassVar[Cost] = Cost.STATISTICS
    keep: ClassVar[Literal["below", "at_or_above"]] = "at_or_above"

    def needs(self) -> Needs:
        """The statistics view."""
        return Needs(views=(STATISTICS_VIEW,))

    def score(self, images: list[ImageObject]) -> npt.NDArray[Any]:
        """`(N,)` scores; see `kernels.edges`."""
        return np.array([edge_density(statistics_luma(image)) for image in images])

"""How colourful an image is, and whether it is grey, as scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from nemo_curator.kernels.colour import colour
from nemo_curator.stages.declarations import Column, Cost, Needs
from nemo_curator.stages.image.filters.base import BaseFilterStage
from nemo_curator.stages.image.statistics import STATISTICS_VIEW, statistics_rgb
from nemo_curator.tasks import ImageObject


@dataclass
class ImageColourFilterStage(BaseFilterStage):
    """Keeps images that are at least as colourful as the threshold; records too whether they look grey."""

    score_threshold: float = None  # type: ignore[assignment]  # none has a basis: grey pictures are good pictures
    _name: str = "colour"

    columns: ClassVar[tuple[Column, ...]] = (
        Column(
            "colourfulness",
            range=(0.0, 300.0),
            meaning="Hasler and Suesstrunk's M3: 0 grey, 15 slightly, 45 averagely, 82 highly colourful",
        ),
        Column("looks_grey", "bool", meaning="Whether no pixel has a colour, whatever the colour model of the file"),
    )
    cost: ClassVar[Cost] = Cost.STATISTICS
    keep: ClassVar[Literal["below", "at_or_above"]] = "at_or_above"

    def needs(self) -> Needs:
        """The statistics view."""
        return Needs(views=(STATISTICS_VIEW,))

    def score(self, images: list[ImageObject]) -> dict[str, npt.NDArray[Any]]:
        """The columns; see `kernels.colour`."""
        found = [colour(statistics_rgb(image)) for image in images]
        return {
            "colourfulness": np.array([one.colourfulness for one in found]),
            "looks_grey": np.array([one.grey for one in found]),
        }

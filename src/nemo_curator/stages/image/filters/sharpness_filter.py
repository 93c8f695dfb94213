"""Sharpness of the brightness and noise in it, as scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from nemo_curator.kernels.sharpness import sharpness, sharpness_and_noise
from nemo_curator.stages.declarations import Column, Cost, Needs
from nemo_curator.stages.image.filters.base import BaseFilterStage
from nemo_curator.stages.image.statistics import NATIVE_VIEW, STATISTICS_VIEW, native_luma, statistics_luma
from nemo_curator.tasks import ImageObject

# rows from one strip to the next in the native view, whose rows differ less from their neighbours
_EVERY = 16


@dataclass
class ImageSharpnessFilterStage(BaseFilterStage):
    """Keeps images that are at least as sharp as the threshold, seen at 256 pixels; records two more figures.

    The sharpness of the picture's own pixels, which finds slight blur and enlargement, and their noise.
    """

    score_threshold: float = 0.2
    _name: str = "sharpness"

    columns: ClassVar[tuple[Column, ...]] = (
        Column(
            "sharpness",
            range=(0.0, 1.0),
            meaning="Fine structure lost when blurred once more: below 0.2 plainly blurred, photos 0.3 to 0.55",
        ),
        Column(
            "fine_sharpness",
            range=(0.0, 1.0),
            meaning="The same of the middle 256 x 256 pixels as they are: below 0.15 slightly blurred or enlarged",
        ),
        Column(
            "noise",
            unit="levels",
            range=(0.0, 505.0),
            meaning="Standard deviation of the noise in those pixels: photos 0 to 5, visible grain from 5 to 8 on",
        ),
    )
    cost: ClassVar[Cost] = Cost.STATISTICS
    keep: ClassVar[Literal["below", "at_or_above"]] = "at_or_above"
    version: ClassVar[int] = 2  # two more columns; noise and gradients from fewer rows

    def needs(self) -> Needs:
        """The statistics view, and the native one."""
        return Needs(views=(STATISTICS_VIEW, NATIVE_VIEW))

    def score(self, images: list[ImageObject]) -> dict[str, npt.NDArray[Any]]:
        """The columns; see `kernels.sharpness`."""
        fine = [sharpness_and_noise(native_luma(image), _EVERY) for image in images]
        return {
            "sharpness": np.array([sharpness(statistics_luma(image)) for image in images]),
            "fine_sharpness": np.array([one for one, _ in fine]),
            "noise": np.array([one for _, one in fine]),
        }

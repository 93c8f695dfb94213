"""The blocks of a bad JPEG in an image's pixels, as a score."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from nemo_curator.kernels.blockiness import blockiness
from nemo_curator.stages.declarations import Column, Cost, Needs
from nemo_curator.stages.image.filters.base import BaseFilterStage
from nemo_curator.stages.image.statistics import NATIVE_VIEW, native_luma
from nemo_curator.tasks import ImageObject


@dataclass
class ImageBlockinessFilterStage(BaseFilterStage):
    """Keeps images whose blocks are less high than the threshold, in levels; however they were saved last."""

    score_threshold: float = None  # type: ignore[assignment]  # none has a basis
    _name: str = "blockiness"

    columns: ClassVar[tuple[Column, ...]] = (
        Column(
            "blockiness",
            unit="levels",
            range=(0.0, 255.0),
            meaning="Steps at an 8 x 8 grid beyond those beside it: 0.3 and less none, 3 and more a bad JPEG",
        ),
    )
    cost: ClassVar[Cost] = Cost.STATISTICS

    def needs(self) -> Needs:
        """The native view: resizing would wipe the blocks out."""
        return Needs(views=(NATIVE_VIEW,))

    def score(self, images: list[ImageObject]) -> npt.NDArray[Any]:
        """`(N,)` scores; see `kernels.blockiness`."""
        return np.array([blockiness(native_luma(image)) for image in images])

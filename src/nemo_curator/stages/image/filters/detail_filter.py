"""Sharpness and noise of the picture's own pixels, as scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from nemo_curator.kernels.sharpness import sharpness_and_noise
from nemo_curator.stages.declarations import Column, Cost, Needs
from nemo_curator.stages.image.filters.base import BaseFilterStage
from nemo_curator.stages.image.statistics import NATIVE_VIEW, native_luma
from nemo_curator.tasks import ImageObject

# rows from one strip to the next, which differ less from their neighbours where nothing was reduced
_EVERY = 16


@dataclass
class ImageDetailFilterStage(BaseFilterStage):
    """Keeps images whose own pixels are at least as sharp as the threshold; records their noise too.

    Apart from `sharpness`, which a small view is enough for: where JPEGs are decoded at reduced size, this one costs a
    decode in full.
    """

    score_threshold: float = None  # type: ignore[assignment]  # none has a basis
    _name: str = "detail"

    columns: ClassVar[tuple[Column, ...]] = (
        Column(
            "fine_sharpness",
            range=(0.0, 1.0),
            meaning="Sharpness of the middle 256 x 256 pixels as they are: below 0.15 slightly blurred or enlarged",
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

    def needs(self) -> Needs:
        """The middle of the picture as it is."""
        return Needs(views=(NATIVE_VIEW,))

    def score(self, images: list[ImageObject]) -> dict[str, npt.NDArray[Any]]:
        """The columns; see `kernels.sharpness`."""
        found = [sharpness_and_noise(native_luma(image), _EVERY) for image in images]
        return {
            "fine_sharpness": np.array([sharp for sharp, _ in found]),
            "noise": np.array([level for _, level in found]),
        }

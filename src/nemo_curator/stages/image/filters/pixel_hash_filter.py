"""One hash of an image's pixels, whatever file they came in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from nemo_curator.kernels.pixel_hash import pixel_hash
from nemo_curator.stages.declarations import Column, Cost, Needs
from nemo_curator.stages.image.filters.base import BaseFilterStage
from nemo_curator.stages.image.pixels import full_picture
from nemo_curator.tasks import ImageObject


@dataclass
class ImagePixelHashFilterStage(BaseFilterStage):
    """Records a hash of the pixels; rejects nothing."""

    score_threshold: float = None  # type: ignore[assignment]  # a hash is compared with hashes
    _name: str = "pixels"

    columns: ClassVar[tuple[Column, ...]] = (
        Column("pixels_sha256", "string", meaning="SHA-256 of height, width and upright RGB pixels, in hex"),
    )
    cost: ClassVar[Cost] = Cost.STATISTICS

    def needs(self) -> Needs:
        """The full picture."""
        return Needs(pixels=True)

    def score(self, images: list[ImageObject]) -> npt.NDArray[Any]:
        """`(N,)` strings; see `kernels.pixel_hash`."""
        return np.array([pixel_hash(full_picture(image)) for image in images], object)

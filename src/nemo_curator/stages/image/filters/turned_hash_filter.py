"""The hashes that an image would have, were it turned or mirrored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from nemo_curator.kernels.pdq import mirrored_spectra
from nemo_curator.kernels.pdq_turns import turned
from nemo_curator.stages.declarations import Column, Cost, Needs
from nemo_curator.stages.image.filters.base import BaseFilterStage
from nemo_curator.stages.image.filters.hash_filter import full_size, spectrum_of
from nemo_curator.stages.image.statistics import STATISTICS_VIEW, statistics_rgb
from nemo_curator.tasks import ImageObject


@dataclass
class ImageTurnedHashFilterStage(BaseFilterStage):
    """Records the PDQ hashes of the seven other ways to turn and mirror the picture; rejects nothing."""

    score_threshold: float = None  # type: ignore[assignment]  # a hash is compared with hashes
    _name: str = "turned_hashes"

    columns: ClassVar[tuple[Column, ...]] = (
        Column(
            "pdq_turned",
            "string",
            meaning="PDQ hashes of the picture turned and mirrored in the seven other ways, 7 times 64 hex digits; "
            "all 0 where it has no structure",
        ),
    )
    cost: ClassVar[Cost] = Cost.STATISTICS

    def needs(self) -> Needs:
        """The statistics view."""
        return Needs(views=(STATISTICS_VIEW,))

    def score(self, images: list[ImageObject]) -> npt.NDArray[Any]:
        """`(N,)` strings; see `kernels.pdq_turns`."""
        return np.array([b"".join(_turned(image)).hex() for image in images], object)


def _turned(image: ImageObject) -> list[bytes]:
    return turned(spectrum_of(image)[0], mirrored_spectra(statistics_rgb(image), full_size(image)))

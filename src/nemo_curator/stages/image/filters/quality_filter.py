"""Perceptual quality without a reference, as a score."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from nemo_curator.kernels.brisque import brisque
from nemo_curator.kernels.view import View
from nemo_curator.models.brisque import SHA256, regressor
from nemo_curator.stages.declarations import Column, Cost, Needs
from nemo_curator.stages.image.filters.base import BaseFilterStage
from nemo_curator.stages.image.pixels import view_of
from nemo_curator.stages.worker import WorkerMetadata
from nemo_curator.tasks import ImageObject

# Not resized, because that wipes the damage out. Of larger pictures the middle alone, so that the cost has a bound; as
# large as the photographs of the data base that the regressor was trained on.
QUALITY_VIEW = View(768, fit="none", crop=768)


@dataclass
class ImageQualityFilterStage(BaseFilterStage):
    """Keeps images that look less damaged than the threshold: by blur, noise, compression, or enlargement.

    The score is BRISQUE (Mittal, Moorthy, Bovik, 2012). No threshold has a basis for every data set, so there is none.
    """

    score_threshold: float = None  # type: ignore[assignment]  # none has a basis
    _name: str = "quality"

    columns: ClassVar[tuple[Column, ...]] = (
        Column(
            "brisque",
            meaning="Visible damage by BRISQUE: about 0 as good as new to 100 ruined; good photographs -10 to 30",
        ),
    )
    cost: ClassVar[Cost] = Cost.MODEL  # as dear as a small model, so skipped for what is rejected already
    keep: ClassVar[Literal["below", "at_or_above"]] = "below"

    def needs(self) -> Needs:
        """The middle of the picture, not resized."""
        return Needs(views=(QUALITY_VIEW,))

    def provenance(self) -> dict[str, Any]:
        """The version of `score`, and the trained figures."""
        return {**super().provenance(), "model": {"name": "brisque", "weights": SHA256}}

    def setup(self, _worker_metadata: WorkerMetadata | None = None) -> None:
        """Read the trained figures."""
        regressor()

    def score(self, images: list[ImageObject]) -> npt.NDArray[Any]:
        """`(N,)` scores; see `kernels.brisque`."""
        return np.array([brisque(view_of(image, QUALITY_VIEW), regressor()) for image in images])

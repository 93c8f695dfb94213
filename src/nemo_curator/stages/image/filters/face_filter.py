"""Faces in a picture, as scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from nemo_curator.kernels.rectangles import share_of_picture
from nemo_curator.models.spec import Task
from nemo_curator.stages.declarations import Column
from nemo_curator.stages.image.filters.detector_filter import DetectorFilterStage
from nemo_curator.tasks import ImageObject


@dataclass
class ImageFaceFilterStage(DetectorFilterStage):
    """Keeps images with fewer faces than the threshold.

    Args:
        model: Name in the model registry: `yunet-s` is the YuNet of OpenCV's model zoo, `yunet-n` its larger brother,
            `yunet-own` one that you bring. The file lies in `model_dir`.

    Raises:
        UnknownModelError: No model has that name.
        ModelError: The model finds no faces.
        WeightsNotFoundError: Its weights are not there; the message says which file to put where.
    """

    score_threshold: float = None  # type: ignore[assignment]  # none has a basis
    _name: str = "faces"
    model: str = "yunet-s"

    task: ClassVar[Task] = "faces"
    columns: ClassVar[tuple[Column, ...]] = (
        Column("face_count", "int", "faces", range=(0.0, 5000.0), meaning="Number of faces that were found"),
        Column(
            "largest_face_share",
            range=(0.0, 1.0),
            meaning="Share of the picture's area in the box around the largest face; 0 where there is none",
        ),
        Column("face_score", range=(0.0, 1.0), meaning="How sure the surest face is; 0 where none was found"),
    )

    def score(self, images: list[ImageObject]) -> dict[str, npt.NDArray[Any]]:
        """The columns, from the boxes in each image's view."""
        found = self.regions(images)
        largest = [max((share_of_picture(box, r.height, r.width) for box in r.corners), default=0.0) for r in found]
        return {
            "face_count": np.array([len(r.corners) for r in found], np.int64),
            "largest_face_share": np.array(largest),
            "face_score": np.array([r.scores.max(initial=0.0) for r in found]),
        }

"""How much of a picture is covered by text, as scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from nemo_curator.kernels.rectangles import covered_share
from nemo_curator.models.spec import Task
from nemo_curator.stages.declarations import Column
from nemo_curator.stages.image.filters.detector_filter import DetectorFilterStage
from nemo_curator.tasks import ImageObject


@dataclass
class ImageTextFilterStage(DetectorFilterStage):
    """Keeps images of which less than the threshold is covered by lines of text.

    Args:
        model: Name in the model registry. `pp-ocrv6-small` is the small detector of PaddleOCR's PP-OCRv6, from the
            package `rapidocr` (extra `text`).

    Raises:
        UnknownModelError: No model has that name.
        ModelError: The model finds no text.
        WeightsNotFoundError: Its weights are not there.
    """

    score_threshold: float = None  # type: ignore[assignment]  # none has a basis
    _name: str = "text"
    model: str = "pp-ocrv6-small"

    task: ClassVar[Task] = "text"
    columns: ClassVar[tuple[Column, ...]] = (
        Column("text_share", range=(0.0, 1.0), meaning="Share of the picture's area covered by boxes around text"),
        Column("largest_text_share", range=(0.0, 1.0), meaning="Share of the picture's area in the largest such box"),
        Column("text_boxes", "int", "boxes", range=(0.0, 1000.0), meaning="Number of such boxes, about one a line"),
    )

    def score(self, images: list[ImageObject]) -> dict[str, npt.NDArray[Any]]:
        """The columns, from the boxes in each image's view."""
        found = self.regions(images)
        largest = [max((covered_share(box[None], r.height, r.width) for box in r.corners), default=0.0) for r in found]
        return {
            "text_share": np.array([covered_share(r.corners, r.height, r.width) for r in found]),
            "largest_text_share": np.array(largest),
            "text_boxes": np.array([len(r.corners) for r in found], np.int64),
        }

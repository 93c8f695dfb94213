"""How much of a picture is covered by text, as scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from nemo_curator.errors import ModelError
from nemo_curator.kernels.rectangles import covered_share
from nemo_curator.models import registry
from nemo_curator.stages.declarations import Column, Needs
from nemo_curator.stages.image.filters.base import BaseFilterStage
from nemo_curator.stages.image.pixels import view_of
from nemo_curator.stages.worker import WorkerMetadata
from nemo_curator.tasks import ImageObject


@dataclass
class ImageTextFilterStage(BaseFilterStage):
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

    columns: ClassVar[tuple[Column, ...]] = (
        Column("text_share", range=(0.0, 1.0), meaning="Share of the picture's area covered by boxes around text"),
        Column("largest_text_share", range=(0.0, 1.0), meaning="Share of the picture's area in the largest such box"),
        Column("text_boxes", "int", "boxes", range=(0.0, 1000.0), meaning="Number of such boxes, about one a line"),
    )

    def __post_init__(self) -> None:
        """Find the model now, so that a mistake is told before a run begins."""
        super().__post_init__()
        self._spec = registry.get_spec(self.model)
        if self._spec.task != "text":
            raise ModelError(f"the model {self.model!r} does not find text; its task is {self._spec.task}")
        self._model = registry.create_detector(self.model, model_dir=self.model_dir)

    def needs(self) -> Needs:
        """The model's own view."""
        return Needs(views=(self._spec.view,))

    def provenance(self) -> dict[str, Any]:
        """The model's weights and what computes with them."""
        return {**super().provenance(), **registry.provenance(self.model, self.model_dir)}

    def setup(self, _worker_metadata: WorkerMetadata | None = None) -> None:
        """Load the model."""
        self._model.setup()

    def score(self, images: list[ImageObject]) -> dict[str, npt.NDArray[Any]]:
        """The columns, from the boxes in each image's view."""
        found = self._model([view_of(image, self._spec.view) for image in images])
        largest = [max((covered_share(box[None], r.height, r.width) for box in r.corners), default=0.0) for r in found]
        return {
            "text_share": np.array([covered_share(r.corners, r.height, r.width) for r in found]),
            "largest_text_share": np.array(largest),
            "text_boxes": np.array([len(r.corners) for r in found], np.int64),
        }

"""Faces in a picture, as scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from nemo_curator.errors import ModelError
from nemo_curator.kernels.rectangles import share_of_picture
from nemo_curator.models import registry
from nemo_curator.stages.declarations import Column, Needs
from nemo_curator.stages.image.filters.base import BaseFilterStage
from nemo_curator.stages.image.pixels import view_of
from nemo_curator.stages.worker import WorkerMetadata
from nemo_curator.tasks import ImageObject


@dataclass
class ImageFaceFilterStage(BaseFilterStage):
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

    columns: ClassVar[tuple[Column, ...]] = (
        Column("face_count", "int", "faces", range=(0.0, 5000.0), meaning="Number of faces that were found"),
        Column(
            "largest_face_share",
            range=(0.0, 1.0),
            meaning="Share of the picture's area in the box around the largest face; 0 where there is none",
        ),
        Column("face_score", range=(0.0, 1.0), meaning="How sure the surest face is; 0 where none was found"),
    )

    def __post_init__(self) -> None:
        """Find the model now, so that a mistake is told before a run begins."""
        super().__post_init__()
        self._spec = registry.get_spec(self.model)
        if self._spec.task != "faces":
            raise ModelError(f"the model {self.model!r} does not find faces; its task is {self._spec.task}")
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
        largest = [max((share_of_picture(box, r.height, r.width) for box in r.corners), default=0.0) for r in found]
        return {
            "face_count": np.array([len(r.corners) for r in found], np.int64),
            "largest_face_share": np.array(largest),
            "face_score": np.array([r.scores.max(initial=0.0) for r in found]),
        }

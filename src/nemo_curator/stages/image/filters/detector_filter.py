"""What the filters have in common whose model finds regions in the picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from nemo_curator.errors import ModelError
from nemo_curator.models import registry
from nemo_curator.stages.declarations import Needs
from nemo_curator.stages.image.filters.base import BaseFilterStage
from nemo_curator.stages.image.pixels import view_of
from nemo_curator.stages.worker import WorkerMetadata
from nemo_curator.tasks import ImageObject


@dataclass
class DetectorFilterStage(BaseFilterStage):
    """A filter by a registered detector: a subclass names its task and default, and turns regions into columns.

    Args:
        model: Name in the model registry.

    Raises:
        UnknownModelError: No model has that name.
        ModelError: The model finds something else, or none.
        WeightsNotFoundError: Its weights are not there.
    """

    model: str = ""

    task: ClassVar[registry.Task]

    def __post_init__(self) -> None:
        """Find the model now, so that a mistake is told before a run begins."""
        super().__post_init__()
        spec = registry.get_spec(self.model)
        if spec.task != self.task:
            known = ", ".join(one.name for one in registry.specs(self.task))
            raise ModelError(
                f"the model {self.model!r} is for another task ({spec.task}) than {self.name!r}", act=f"known: {known}"
            )
        self._model = registry.create_detector(self.model, model_dir=self.model_dir)

    def needs(self) -> Needs:
        """The model's own view."""
        return Needs(views=(self._model.spec.view,))

    def provenance(self) -> dict[str, Any]:
        """The model's weights and what computes with them."""
        return {**super().provenance(), **registry.provenance(self.model, self.model_dir)}

    def setup(self, _worker_metadata: WorkerMetadata | None = None) -> None:
        """Load the model."""
        self._model.setup()

    def regions(self, images: Sequence[ImageObject]) -> list[registry.Regions]:
        """What the model finds in each image's view."""
        return self._model([view_of(image, self._model.spec.view) for image in images])

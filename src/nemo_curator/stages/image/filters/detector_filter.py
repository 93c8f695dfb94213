"""What the filters have in common whose model finds regions in the picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nemo_curator.models import registry
from nemo_curator.stages.declarations import Needs
from nemo_curator.stages.image.filters.registered_filter import RegisteredModelFilterStage
from nemo_curator.stages.image.pixels import view_of
from nemo_curator.tasks import ImageObject


@dataclass
class DetectorFilterStage(RegisteredModelFilterStage):
    """A filter by a detector: a subclass names its task and default model, and turns regions into columns."""

    def _find(self, spec: registry.ModelSpec | registry.HeadSpec) -> Needs:
        self._model = registry.create_detector(spec.name, model_dir=self.model_dir)
        return Needs(views=(self._model.spec.view,))

    def _load(self) -> None:
        self._model.setup()

    def regions(self, images: Sequence[ImageObject]) -> list[registry.Regions]:
        """What the model finds in each image's view."""
        return self._model([view_of(image, self._model.spec.view) for image in images])

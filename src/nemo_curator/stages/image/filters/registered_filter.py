"""A filter whose columns come from a model with a name in the registry."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

from nemo_curator.errors import ModelError
from nemo_curator.models import registry
from nemo_curator.models.model_memory import model_memory
from nemo_curator.stages.declarations import Needs
from nemo_curator.stages.image.filters.base import BaseFilterStage
from nemo_curator.stages.worker import WorkerMetadata


@dataclass
class RegisteredModelFilterStage(BaseFilterStage):
    """Finds its model when it is made, so that a mistake is told before a run begins, and loads it in `setup`.

    Args:
        model: Name in the model registry.

    A subclass sets, besides what every filter may:
        task: What models must be for, to be named here.

    Raises:
        UnknownModelError: No model has that name.
        ModelError: The model is for another task.
        WeightsNotFoundError: Its weights are not there.
    """

    model: str = ""

    task: ClassVar[registry.Task]

    def __post_init__(self) -> None:
        """Find the model."""
        super().__post_init__()
        spec = registry.get_spec(self.model, self.model_dir)
        if spec.task != self.task:
            known = ", ".join(one.name for one in registry.specs(self.task))
            raise ModelError(
                f"the model {self.model!r} is for another task ({spec.task}) than {self.name!r}", act=f"known: {known}"
            )
        self._needs = self._find(spec)

    @abstractmethod
    def _find(self, spec: registry.ModelSpec | registry.HeadSpec) -> Needs:
        """Make the model, not loaded yet, and say what it needs of every image."""

    @abstractmethod
    def _load(self) -> None:
        """Load the model that was made."""

    def needs(self) -> Needs:
        """The model's own view; for a head the embedding that it was trained on, and no pixel."""
        return self._needs

    def provenance(self) -> dict[str, Any]:
        """The model's weights and what computes with them."""
        return {**super().provenance(), **registry.provenance(self.model, self.model_dir)}

    def model_bytes(self) -> int:
        """Of the model."""
        return model_memory(registry.get_spec(self.model, self.model_dir), self.model_dir)

    def setup(self, _worker_metadata: WorkerMetadata | None = None) -> None:
        """Load the model.

        Raises:
            WeightsError: Its weights are damaged, not the pinned ones, or of another model.
        """
        self._load()

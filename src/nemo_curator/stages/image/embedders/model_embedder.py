"""Embeddings by a model of the registry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from nemo_curator.errors import ModelError
from nemo_curator.models import registry
from nemo_curator.models.model_memory import model_memory
from nemo_curator.models.numerics import choose
from nemo_curator.models.request import ModelRequest
from nemo_curator.stages.base import ProcessingStage
from nemo_curator.stages.declarations import Column, Cost, Needs
from nemo_curator.stages.image.embedders.clip_embedder import attach
from nemo_curator.stages.image.pixels import stack
from nemo_curator.stages.shared_model import groups, place
from nemo_curator.stages.worker import WorkerMetadata
from nemo_curator.tasks import ImageBatch


@dataclass
class ImageModelEmbeddingStage(ProcessingStage[ImageBatch, ImageBatch]):
    """Gives every image the embedding of a registered model; the default one ships with the base install.

    Args:
        model: Name in the model registry.
        model_dir: Folder with weights, for a model whose weights are the user's own.
        model_inference_batch_size: Images that the model gets at once.
        runtime: Name of the library that runs the model; None means the fastest that is installed.
        precision: `fp32`, `bf16`, `fp16` or `int8`; None means `fp32`, or 16-bit floats on a CUDA device. A recipe's
            `inference` sets both.

    Raises:
        UnknownModelError: No model has that name.
        ModelError: The model gives no embeddings, or is not computed in that way here.
        WeightsNotFoundError: Its weights are not there.
    """

    model: str = "efficientnet-lite0"
    model_dir: str | None = None
    model_inference_batch_size: int = 32
    _name: str = "embedding"
    runtime: str | None = None
    precision: str | None = None

    cost: ClassVar[Cost] = Cost.MODEL

    def __post_init__(self) -> None:
        """Find the model now, so that a mistake is told before a run begins."""
        spec = registry.get_spec(self.model, self.model_dir)
        if not isinstance(spec, registry.ModelSpec) or spec.task != "embedding":
            raise ModelError(f"the model {self.model!r} gives a score ({spec.task}), not embeddings")
        self._spec = spec
        self._numerics = choose(spec.precisions, self.runtime, self.precision)
        self._request = ModelRequest.of(
            registry.create, name=self.model, model_dir=self.model_dir, numerics=self._numerics
        )
        self._model = self._request.model()

    @property
    def embedding_model(self) -> str:
        """Whose embeddings these are, for stages that need those of one model."""
        return self._spec.name

    @property
    def embedding_dimension(self) -> int:
        """Numbers in an embedding."""
        return self._spec.dimension

    def computed_model(self) -> registry.ModelSpec:
        """The model whose runtime and precision can be chosen."""
        return self._spec

    def inputs(self) -> tuple[list[str], list[str]]:
        """A batch with `data`."""
        return ["data"], []

    def outputs(self) -> tuple[list[str], list[str]]:
        """Images with an embedding."""
        return ["data"], ["embedding"]

    def needs(self) -> Needs:
        """The model's own view."""
        return Needs(views=(self._spec.view,))

    def provenance(self) -> dict[str, Any]:
        """The model's weights and what computes with them."""
        return registry.provenance(self.model, self.model_dir, self._numerics)

    def shared_models(self) -> tuple[ModelRequest, ...]:
        """The model, if it is a large one."""
        return (self._request,) if self._spec.shared else ()

    def model_bytes(self) -> int:
        """Of the model."""
        return model_memory(self._spec, self.model_dir)

    def setup(self, _worker_metadata: WorkerMetadata | None = None) -> None:
        """Load the model, here or where the host's large models are."""
        self._model = place(self.shared_models(), _worker_metadata, lambda: self._model)
        self._model.setup()

    def score_columns(self) -> tuple[Column, ...]:
        """No columns: embeddings are stored beside the parts."""
        return ()

    def annotate(self, task: ImageBatch) -> ImageBatch:
        """As `process`: an embedding rejects nothing."""
        return self.process(task)

    def process(self, task: ImageBatch) -> ImageBatch:
        """Embed a batch's images."""
        for images in groups(task.data, self._model, self.model_inference_batch_size):
            attach(images, self._model(stack(images, self._spec.view)), self.name)
        return task

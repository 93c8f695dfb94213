"""CLIP embeddings."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from loguru import logger

from nemo_curator.errors import EmbeddingError, StageError
from nemo_curator.models import registry
from nemo_curator.models.clip import CLIPImageEmbeddings
from nemo_curator.models.clip_config import clip_view
from nemo_curator.models.model_memory import model_memory
from nemo_curator.models.numerics import PRECISIONS, choose, usable
from nemo_curator.models.request import ModelRequest
from nemo_curator.stages.base import ProcessingStage
from nemo_curator.stages.declarations import Column, Cost, Needs
from nemo_curator.stages.devices import gpu_or_cpu
from nemo_curator.stages.image.pixels import as_array, view_of
from nemo_curator.stages.shared_model import groups, place
from nemo_curator.stages.worker import NodeInfo, WorkerMetadata
from nemo_curator.tasks import ImageBatch, ImageObject

_VIEW = clip_view(224)


@dataclass
class ImageEmbeddingStage(ProcessingStage[ImageBatch, ImageBatch]):
    """Gives every image its CLIP ViT-L/14 embedding, of unit norm.

    Args:
        model_dir: Folder that holds `openai/clip-vit-large-patch14/` in the Hugging Face layout.
        num_gpus_per_worker: Share of a GPU to ask for where CUDA is there.
        model_inference_batch_size: Images that the model gets at once.
        verbose: Log a line a batch.
        remove_image_data: Free each image's pixels once it is embedded; its bytes stay.
        runtime: Name of the library that runs the model; None means the fastest that is installed.
        precision: `fp32`, `bf16`, `fp16` or `int8`; None means `fp32`, or 16-bit floats on a CUDA device. A recipe's
            `inference` is for the score `embedding`, and does not reach this stage.

    Raises:
        ModelError: The model is not computed in that way here.
    """

    model_dir: str = None  # type: ignore[assignment]  # as the public signature has it
    num_gpus_per_worker: float = 0.25
    model_inference_batch_size: int = 32
    verbose: bool = False
    remove_image_data: bool = False
    _name: str = "image_embedding"
    runtime: str | None = None
    precision: str | None = None

    cost: ClassVar[Cost] = Cost.MODEL
    embedding_model: ClassVar[str] = "clip-vit-large-patch14"

    def __post_init__(self) -> None:
        """Ask for a share of a GPU where there is one, and refuse what this machine cannot compute."""
        self._resources = gpu_or_cpu(self.num_gpus_per_worker)
        self._numerics()

    def _numerics(self) -> dict[str, Any]:
        """How the model is computed; left out where nobody chose, because what stands in for it need not know of it."""
        if self.runtime is None and self.precision is None:
            return {}
        return {"numerics": usable(choose(PRECISIONS, self.runtime, self.precision), self.embedding_model)}

    def inputs(self) -> tuple[list[str], list[str]]:
        """A batch with `data`; a view is cut of whatever an image has."""
        return ["data"], []

    def outputs(self) -> tuple[list[str], list[str]]:
        """Images with an embedding."""
        return ["data"], ["embedding"]

    def needs(self) -> Needs:
        """One view of 224 by 224 pixels."""
        return Needs(views=(_VIEW,))

    def provenance(self) -> dict[str, Any]:
        """The tower's weights, and what computes with them; nothing is fetched for that.

        Raises:
            WeightsNotFoundError: They are missing.
        """
        return CLIPImageEmbeddings.provenance(self.model_dir, **self._numerics())

    def setup_on_node(self, _node_info: NodeInfo | None = None, _worker_metadata: WorkerMetadata | None = None) -> None:
        """Fetch the weights where they are missing and can be fetched."""
        CLIPImageEmbeddings.download_weights_on_node(self.model_dir)

    def shared_models(self) -> tuple[ModelRequest, ...]:
        """The tower; nothing where a subclass or this module makes another model in its place."""
        ours = CLIPImageEmbeddings.__module__ == "nemo_curator.models.clip"
        if not ours or type(self).setup is not ImageEmbeddingStage.setup:
            return ()
        return (ModelRequest.of(CLIPImageEmbeddings, model_dir=self.model_dir, **self._numerics()),)

    def model_bytes(self) -> int:
        """Of the tower."""
        return model_memory(registry.get_spec(self.embedding_model), self.model_dir)

    def setup(self, _worker_metadata: WorkerMetadata | None = None) -> None:
        """Load the model, here or where the host's large models are."""
        own = partial(CLIPImageEmbeddings, model_dir=self.model_dir, **self._numerics())
        self.model = place(self.shared_models(), _worker_metadata, own)
        self.model.setup()

    def score_columns(self) -> tuple[Column, ...]:
        """No columns: embeddings are stored beside the parts."""
        return ()

    def annotate(self, task: ImageBatch) -> ImageBatch:
        """As `process`: an embedding rejects nothing."""
        return self.process(task)

    def process(self, task: ImageBatch) -> ImageBatch:
        """Embed a batch's images.

        Raises:
            StageError: The model gave another number of embeddings than it got images.
        """
        for images in groups(task.data, self.model, self.model_inference_batch_size):
            embeddings = as_array(self.model([view_of(image, _VIEW) for image in images]))
            attach(images, embeddings, self.name)
            if self.remove_image_data:
                for image in images:
                    image.image_data = None
        if self.verbose:
            logger.info("{} embedded {} images", self.name, len(task.data))
        return task


def attach(images: list[ImageObject], embeddings: npt.NDArray[np.float32], stage: str) -> None:
    """Give each image its embedding, scaled to unit norm.

    Raises:
        StageError: There are not as many embeddings as images.
        EmbeddingError: One holds what is no number; given alone, only its image is lost.
    """
    if embeddings.ndim != 2 or len(embeddings) != len(images):
        raise StageError(f"stage {stage!r} gave embeddings of shape {embeddings.shape} for {len(images)} images")
    rows = embeddings.astype(np.float32)
    if not np.isfinite(rows).all():
        raise EmbeddingError(f"stage {stage!r} gave an embedding with NaN or infinity")
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    for image, row in zip(images, rows / np.maximum(norms, np.finfo(np.float32).tiny), strict=True):
        image.embedding = row

"""The LAION NSFW classifier as a filter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy.typing as npt

from nemo_curator.models.nsfw import NSFWScorer
from nemo_curator.stages.declarations import Column, Needs
from nemo_curator.stages.image.embeddings import stack_embeddings
from nemo_curator.stages.image.filters.base import BaseFilterStage
from nemo_curator.stages.worker import NodeInfo, WorkerMetadata
from nemo_curator.tasks import ImageObject
from nemo_curator.tasks.record import Scalar


@dataclass
class ImageNSFWFilterStage(BaseFilterStage):
    """Keeps images whose NSFW probability is below the threshold.

    The score is LAION's CLIP-based NSFW classifier on a CLIP ViT-L/14 embedding, 0 to 1.

    Args:
        model_dir: Folder that holds `laion/clip-autokeras-binary-nsfw/clip_autokeras_binary_nsfw.pth`.
        weights_path: That file itself, where it lies elsewhere.
    """

    weights_path: str | None = None
    _name: str = "image_nsfw_filter"

    columns: ClassVar[tuple[Column, ...]] = (
        Column("nsfw_score", range=(0.0, 1.0), meaning="LAION NSFW probability of the CLIP ViT-L/14 embedding"),
    )

    def needs(self) -> Needs:
        """The embedding, and no pixel."""
        return Needs(embedding=True, embedding_of=frozenset({"clip-vit-large-patch14"}))

    def provenance(self) -> dict[str, Any]:
        """The classifier's weights; nothing is fetched for that.

        Raises:
            WeightsNotFoundError: They are missing.
        """
        return {**super().provenance(), **NSFWScorer.provenance(self.model_dir, self.weights_path)}

    def setup_on_node(self, _node_info: NodeInfo | None = None, _worker_metadata: WorkerMetadata | None = None) -> None:
        """Fetch the weights where they are missing and can be fetched."""
        if self.weights_path is None:
            NSFWScorer.download_weights_on_node(self.model_dir)

    def setup(self, _worker_metadata: WorkerMetadata | None = None) -> None:
        """Load the classifier."""
        own = {} if self.weights_path is None else {"weights_path": self.weights_path}
        self.model = NSFWScorer(model_dir=self.model_dir, **own)
        self.model.setup()

    def score(self, images: list[ImageObject]) -> npt.NDArray[Any]:
        """`(N,)` NSFW probabilities."""
        return self.model(stack_embeddings(images, self.name))

    def record_scores(self, image: ImageObject, scores: dict[str, Scalar]) -> None:
        """Set `nsfw_score` besides the column."""
        super().record_scores(image, scores)
        image.nsfw_score = float(scores["nsfw_score"])  # type: ignore[arg-type]  # a float column

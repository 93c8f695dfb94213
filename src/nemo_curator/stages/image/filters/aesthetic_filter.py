"""The LAION aesthetic predictor as a filter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy.typing as npt

from nemo_curator.models.aesthetics import AestheticScorer
from nemo_curator.stages.declarations import Column, Needs
from nemo_curator.stages.image.embeddings import stack_embeddings
from nemo_curator.stages.image.filters.base import BaseFilterStage
from nemo_curator.stages.worker import NodeInfo, WorkerMetadata
from nemo_curator.tasks import ImageObject
from nemo_curator.tasks.record import Scalar


@dataclass
class ImageAestheticFilterStage(BaseFilterStage):
    """Keeps images whose aesthetic score is at or above the threshold.

    The score is LAION's `sac+logos+ava1-l14-linearMSE` on a CLIP ViT-L/14 embedding. Its scale is about 1 to 10, with
    most photographs between 4 and 6: the inherited default threshold of 0.5 keeps everything.

    Args:
        model_dir: Folder that holds `ttj/sac-logos-ava1-l14-linearMSE/model.safetensors`.
    """

    _name: str = "image_aesthetic_filter"

    columns: ClassVar[tuple[Column, ...]] = (
        Column("aesthetic_score", range=(0.0, 11.0), meaning="LAION aesthetic score of the CLIP ViT-L/14 embedding"),
    )
    keep: ClassVar[Literal["below", "at_or_above"]] = "at_or_above"

    def needs(self) -> Needs:
        """The embedding, and no pixel."""
        return Needs(embedding=True, embedding_of=frozenset({"clip-vit-large-patch14"}))

    def provenance(self) -> dict[str, Any]:
        """The head's weights; nothing is fetched for that.

        Raises:
            WeightsNotFoundError: They are missing.
        """
        return {**super().provenance(), **AestheticScorer.provenance(self.model_dir)}

    def setup_on_node(self, _node_info: NodeInfo | None = None, _worker_metadata: WorkerMetadata | None = None) -> None:
        """Fetch the weights where they are missing and can be fetched."""
        AestheticScorer.download_weights_on_node(self.model_dir)

    def setup(self, _worker_metadata: WorkerMetadata | None = None) -> None:
        """Load the head."""
        self.model = AestheticScorer(model_dir=self.model_dir)
        self.model.setup()

    def score(self, images: list[ImageObject]) -> npt.NDArray[Any]:
        """`(N,)` aesthetic scores, about 1 to 10."""
        return self.model(stack_embeddings(images, self.name))

    def record_scores(self, image: ImageObject, scores: dict[str, Scalar]) -> None:
        """Set `aesthetic_score` besides the column."""
        super().record_scores(image, scores)
        image.aesthetic_score = float(scores["aesthetic_score"])  # type: ignore[arg-type]  # a float column

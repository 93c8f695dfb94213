"""How well a picture fits its own caption."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from nemo_curator.stages.declarations import Column, Needs
from nemo_curator.stages.image.filters.prompt_filter import cosine
from nemo_curator.stages.image.filters.text_tower_filter import TextTowerFilterStage
from nemo_curator.stages.worker import WorkerMetadata
from nemo_curator.tasks import ImageObject
from nemo_curator.tasks.caption import caption_of

_REMEMBERED = 1024  # captions whose embeddings are kept, because those of labels come again and again

Row = npt.NDArray[np.float32]


@dataclass
class ImageCaptionMatchFilterStage(TextTowerFilterStage):
    """Keeps images whose caption fits them at least as well as the threshold; those without a caption do not.

    The score is the cosine of the embeddings of image and caption, by which LAION-400M, LAION-5B and DataComp were
    filtered. J. Hessel et al. named it CLIPScore ("CLIPScore: A Reference-free Evaluation Metric for Image Captioning",
    EMNLP 2021), and scale it by 2.5, which is not done here. What is a good value depends on the model.
    """

    score_threshold: float = None  # type: ignore[assignment]  # each model has another scale
    _name: str = "clip_score"

    columns: ClassVar[tuple[Column, ...]] = (
        Column(
            "clip_score",
            unit="cosine",
            range=(-1.0, 1.0),
            meaning="How well the caption fits the picture; NULL without a caption",
        ),
    )
    keep: ClassVar[Literal["below", "at_or_above"]] = "at_or_above"
    missing: ClassVar[float | None] = -1.0

    def needs(self) -> Needs:
        """The embedding and the caption."""
        return replace(super().needs(), caption=True)

    def setup(self, _worker_metadata: WorkerMetadata | None = None) -> None:
        """Load the text tower."""
        tower = self.tower()
        tower.setup()
        self._embedded: Callable[[str], Row] = lru_cache(_REMEMBERED)(lambda caption: tower([caption])[0])

    def score(self, images: list[ImageObject]) -> npt.NDArray[Any]:
        """`(N,)` cosines; None where there is no caption, or nothing but white space in it."""
        embeddings = self.rows(images)
        scores = np.full(len(images), None, object)
        for index, image in enumerate(images):
            caption = caption_of(image.sidecars, image.metadata)
            if caption is not None and caption.strip():
                scores[index] = float(np.float32(cosine(embeddings[index], self._embedded(caption))))
        return scores

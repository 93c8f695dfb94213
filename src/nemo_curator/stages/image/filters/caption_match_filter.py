"""How well a picture fits its own caption."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from nemo_curator.models.request import ModelRequest
from nemo_curator.stages.declarations import Column, Needs
from nemo_curator.stages.image.filters.prompt_filter import cosine
from nemo_curator.stages.image.filters.text_tower_filter import TextTowerFilterStage
from nemo_curator.stages.shared_model import place_text
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

    def shared_models(self) -> tuple[ModelRequest, ...]:
        """The text tower, if it is a large one."""
        return (self._request,) if self._text is not None and self._text.spec.shared else ()

    def setup(self, _worker_metadata: WorkerMetadata | None = None) -> None:
        """Load the text tower, here or where the host's large models are."""
        self._placed = place_text(self.shared_models(), _worker_metadata, self.tower)
        self._placed.setup()
        self._remembered: dict[str, Row] = {}

    def score(self, images: list[ImageObject]) -> npt.NDArray[Any]:
        """`(N,)` cosines; None where there is no caption, or nothing but white space in it."""
        embeddings = self.rows(images)
        captions = [caption_of(image.sidecars, image.metadata) or "" for image in images]
        rows = self._embedded([caption for caption in captions if caption.strip()])
        scores = np.full(len(images), None, object)
        for index, caption in enumerate(captions):
            if caption in rows:
                scores[index] = float(np.float32(cosine(embeddings[index], rows[caption])))
        return scores

    def _embedded(self, captions: Sequence[str]) -> dict[str, Row]:
        """Caption to embedding; of those that come again it is remembered."""
        known = self._remembered
        rows = {caption: known.pop(caption) for caption in dict.fromkeys(captions) if caption in known}
        new = [caption for caption in dict.fromkeys(captions) if caption not in rows]
        if new:
            rows |= zip(new, self._placed(new), strict=True)
        known |= rows  # those of late are the last
        for caption in list(known)[: max(0, len(known) - _REMEMBERED)]:
            del known[caption]
        return rows

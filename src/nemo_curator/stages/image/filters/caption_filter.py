"""What a caption is made of, as scores: no model, no pixel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from nemo_curator.kernels.caption_addresses import addresses
from nemo_curator.kernels.caption_boilerplate import boilerplate, phrasebook
from nemo_curator.kernels.caption_repetition import repetition
from nemo_curator.kernels.caption_words import LOOKED_AT, Caption
from nemo_curator.stages.declarations import Column, Cost, Needs
from nemo_curator.stages.fingerprint import unicode_version
from nemo_curator.stages.image.filters.base import BaseFilterStage
from nemo_curator.tasks import ImageObject
from nemo_curator.tasks.caption import caption_of


@dataclass
class ImageCaptionFilterStage(BaseFilterStage):
    """Keeps images whose caption has at least as many words as the threshold; none is a caption of 0 words.

    The default is that of DataComp's basic filter (Gadre et al., 2023): more than two words.

    Args:
        phrases: Stock phrases of your own source, which count in `caption_boilerplate` besides ours.

    Raises:
        TypeError: `phrases` is no list of texts.
        ValueError: One of the phrases has no word.
    """

    score_threshold: float = 3.0
    _name: str = "captions"
    phrases: Sequence[str] = ()

    columns: ClassVar[tuple[Column, ...]] = (
        Column("caption_words", "int", "words", (0, LOOKED_AT), "Words of the caption; 0 where there is none"),
        Column(
            "caption_length", "int", "characters", meaning="Unicode code points of the caption; 0 where there is none"
        ),
        Column(
            "caption_alphanumeric_share",
            range=(0.0, 1.0),
            meaning="Letters and digits among its characters, white space apart; NULL without a caption",
        ),
        Column(
            "caption_repetition",
            range=(0.0, 1.0),
            meaning="Share of its characters that repeat words or characters before them; NULL without a caption",
        ),
        Column("caption_urls", "int", meaning="URLs, e-mail addresses, file names and names that a camera gave"),
        Column("caption_boilerplate", "int", meaning="Stock phrases, prices, hashtags, markup and the like"),
    )
    cost: ClassVar[Cost] = Cost.HEADER
    keep: ClassVar[Literal["below", "at_or_above"]] = "at_or_above"

    def __post_init__(self) -> None:
        """Sort the phrases by their first word."""
        super().__post_init__()
        if isinstance(self.phrases, str) or not all(isinstance(phrase, str) for phrase in self.phrases):
            raise TypeError(f"phrases is a list of texts, not {self.phrases!r}")
        self._phrasebook = phrasebook(self.phrases)

    def needs(self) -> Needs:
        """The caption."""
        return Needs(caption=True)

    def provenance(self) -> dict[str, Any]:
        """The version of Unicode, which says what is a letter; a newer Python has a newer one."""
        return {**super().provenance(), "libraries": unicode_version()}

    def score(self, images: list[ImageObject]) -> dict[str, npt.NDArray[Any]]:
        """The columns, from each image's caption."""
        rows = [self._row(caption_of(image.sidecars, image.metadata)) for image in images]
        return {
            column.name: np.array([row[index] for row in rows], np.int64 if column.type == "int" else object)
            for index, column in enumerate(self.columns)
        }

    def _row(self, caption: str | None) -> tuple[int, int, float | None, float | None, int, int]:
        if caption is None:
            return 0, 0, None, None, 0, 0
        text = caption.strip()
        looked_at = Caption.of(text)
        return (
            len(looked_at.words),
            len(text),
            looked_at.alphanumeric_share,
            repetition(looked_at),
            addresses(looked_at.text),
            boilerplate(looked_at, self._phrasebook),
        )

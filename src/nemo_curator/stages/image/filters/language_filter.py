"""The language of a caption, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from nemo_curator.kernels.caption_addresses import without_addresses
from nemo_curator.kernels.caption_words import LOOKED_AT
from nemo_curator.models.language import LANGUAGES, UNDETERMINED, LanguageModel
from nemo_curator.stages.declarations import Column, Cost, Needs
from nemo_curator.stages.fingerprint import unicode_version, versions
from nemo_curator.stages.image.filters.base import BaseFilterStage
from nemo_curator.stages.worker import WorkerMetadata
from nemo_curator.tasks import ImageObject
from nemo_curator.tasks.caption import caption_of


@dataclass
class ImageCaptionLanguageFilterStage(BaseFilterStage):
    """Keeps images whose caption's language is at least as sure as the threshold.

    Args:
        languages: ISO 639 codes of the languages to choose from. Name those that your captions may be in: the fewer,
            the better are short captions told apart.

    Raises:
        TypeError: `languages` is a text, not a list of codes.
        ValueError: The model does not know one of the languages.
    """

    score_threshold: float = None  # type: ignore[assignment]  # none has a basis
    _name: str = "language"
    languages: Sequence[str] = LANGUAGES

    columns: ClassVar[tuple[Column, ...]] = (
        Column(
            "caption_language_confidence",
            unit="probability",
            range=(0.0, 1.0),
            meaning="How sure `caption_language` is; 0 where there is no caption, or nothing in it to tell",
        ),
        Column(
            "caption_language",
            "string",
            meaning="ISO 639 code of the caption's language; `und` where nothing tells it; NULL without a caption",
        ),
    )
    cost: ClassVar[Cost] = Cost.HEADER
    keep: ClassVar[Literal["below", "at_or_above"]] = "at_or_above"

    def __post_init__(self) -> None:
        """See that the model knows the languages, so that a mistake is told before a run begins."""
        super().__post_init__()
        if isinstance(self.languages, str):
            raise TypeError(f"languages is a list of codes, not {self.languages!r}")
        self._model: LanguageModel | None = None
        if tuple(self.languages) != LANGUAGES:
            LanguageModel(self.languages)

    def needs(self) -> Needs:
        """The caption."""
        return Needs(caption=True)

    def provenance(self) -> dict[str, Any]:
        """The versions of the package that carries the model, and of Unicode, which says what small letters are."""
        return {**super().provenance(), "libraries": versions("py3langid") | unicode_version()}

    def setup(self, _worker_metadata: WorkerMetadata | None = None) -> None:
        """Load the model."""
        self._model = LanguageModel(self.languages)

    def score(self, images: list[ImageObject]) -> dict[str, npt.NDArray[Any]]:
        """The columns, from each image's caption without its URLs and file names."""
        told = [self._told(caption_of(image.sidecars, image.metadata)) for image in images]
        return {
            "caption_language_confidence": np.array([confidence for _, confidence in told], np.float64),
            "caption_language": np.array([code for code, _ in told], object),
        }

    def _told(self, caption: str | None) -> tuple[str | None, float]:
        if caption is None:
            return None, 0.0
        if self._model is None:
            raise RuntimeError(f"{self.name}.setup() comes before score()")
        text = without_addresses(caption[:LOOKED_AT])
        return self._model(text) if any(map(str.isalpha, text)) else (UNDETERMINED, 0.0)

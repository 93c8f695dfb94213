"""Text towers from the files that hold the image tower too, whichever layout these have."""

from __future__ import annotations

import math

from nemo_curator.errors import NoTextTowerError, WeightsError
from nemo_curator.models.layouts import clip, clip_text, openclip, openclip_text
from nemo_curator.models.layouts.text import DescribedText
from nemo_curator.models.outlines import expect_text_tower, expect_tower, read_outlines
from nemo_curator.models.published_tower import read_weights
from nemo_curator.models.text_model import TextTowerModel
from nemo_curator.models.towers.tensors import Tensors
from nemo_curator.models.towers.text import TextWeights
from nemo_curator.models.weights import OPEN_CLIP

_SCALE = "logit_scale"


class PublishedText(TextTowerModel):
    """The text tower of a CLIP, behind the registry."""

    def check(self) -> None:
        """Compare the settings with what is known, and the shapes in the weight file's index with the settings.

        Raises:
            WeightsNotFoundError: A file is missing.
            NoTextTowerError: There is no text tower in it, or one with other tokens.
            WeightsError: A file is damaged, or of another model.
        """
        found = self._described()
        held = read_outlines(self._weights, (found.projection,))
        if found.projection not in held:
            pictures = (openclip if self._weights.name.startswith(OPEN_CLIP) else clip).LAYOUT
            expect_tower(self._weights, pictures.describe(self._weights.parent))  # else it is another model's
            raise NoTextTowerError(
                "the weights have no text tower",
                where=str(self._weights),
                cause="the file was made of the image tower alone",
            )
        expect_text_tower(self._weights, found)

    def read(self) -> TextWeights:
        """The text tower in the weight file's folder.

        Raises:
            WeightsNotFoundError: A file is missing.
            WeightsError: A file is damaged or of another model.
        """
        found = self._described()
        return found.arrange(Tensors(read_weights(self._weights, found.prefixes), str(self._weights)))

    def scale(self) -> float:
        """The scale of cosines that the model was trained with, 100 in OpenAI's.

        Raises:
            WeightsNotFoundError: The weight file is gone.
            WeightsError: It does not say so, or nothing that can be one.
        """
        held = Tensors(read_weights(self._weights, (_SCALE,)), str(self._weights))
        logarithm = float(held.take(_SCALE).reshape(()))
        if not 0 < logarithm < math.log(10_000):
            raise WeightsError(f"the scale of cosines is exp({logarithm:g})", where=str(self._weights))
        return math.exp(logarithm)

    def _described(self) -> DescribedText:
        """What the settings say, if that is the model that is meant."""
        own = self._weights.name.startswith(OPEN_CLIP)
        found = (openclip_text.describe_text if own else clip_text.describe_text)(self._weights.parent)
        if found.tower.dimension != self.spec.dimension:
            raise WeightsError(
                f"the model that lies here gives embeddings of {found.tower.dimension} numbers, "
                f"{self.spec.name} of {self.spec.dimension}",
                where=str(self._weights.parent),
                cause="the files of another model lie in its place",
            )
        return found

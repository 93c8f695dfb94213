"""CLIP's text tower behind the registry: texts to embeddings in the space of its image tower."""

from __future__ import annotations

import math

from nemo_curator.errors import WeightsError
from nemo_curator.models.clip_config import read_text_config
from nemo_curator.models.text_model import TextTowerModel
from nemo_curator.models.torch_file import read_tensors
from nemo_curator.models.towers.clip_layout import TEXT_PREFIXES, text_weights
from nemo_curator.models.towers.tensors import Tensors
from nemo_curator.models.towers.text import TextTower, TextWeights
from nemo_curator.models.weights import read_safetensors

_PROJECTION = "text_projection.weight"
_SCALE = "logit_scale"


class ClipTextTower(TextTowerModel):
    """The text tower in a CLIP's own weight file, in the layout of Hugging Face."""

    def check(self) -> None:
        """Look into the settings, and for the last layer in the weight file.

        Raises:
            WeightsNotFoundError: A file is missing.
            WeightsError: A file is damaged, or there is no text tower in it, or one with other tokens.
        """
        tower = self._tower()
        held = self._tensors(_PROJECTION)
        if _PROJECTION not in held:
            raise WeightsError(
                "the weights have no text tower",
                where=str(self._weights),
                cause="the file was made of the image tower alone",
                act=self.spec.weights.how_to_get,
            )
        held.take(_PROJECTION, tower.dimension, tower.width)

    def read(self) -> TextWeights:
        """The text tower in the weight file's folder.

        Raises:
            WeightsNotFoundError: A file is missing.
            WeightsError: A file is damaged or of another model.
        """
        return text_weights(self._tower(), self._tensors(*TEXT_PREFIXES))

    def scale(self) -> float:
        """The scale of cosines that the model was trained with, 100 in OpenAI's.

        Raises:
            WeightsNotFoundError: The weight file is gone.
            WeightsError: It does not say so, or nothing that can be one.
        """
        logarithm = float(self._tensors(_SCALE).take(_SCALE).reshape(()))
        if not 0 < logarithm < math.log(10_000):
            raise WeightsError(f"the scale of cosines is exp({logarithm:g})", where=str(self._weights))
        return math.exp(logarithm)

    def _tower(self) -> TextTower:
        tower = read_text_config(self._weights.parent)
        if tower.dimension != self.spec.dimension:
            raise WeightsError(
                f"this CLIP gives embeddings of {tower.dimension} numbers, {self.spec.name} of {self.spec.dimension}",
                where=str(self._weights.parent),
                cause="the files of another CLIP lie in its place",
            )
        return tower

    def _tensors(self, *prefixes: str) -> Tensors:
        read = read_safetensors if self._weights.suffix == ".safetensors" else read_tensors
        return Tensors(read(self._weights, prefixes), str(self._weights))

"""Taking a tower's arrays out of what a weight file held, each once."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from nemo_curator.models.towers.layer import Affine
from nemo_curator.models.towers.ops import Floats
from nemo_curator.models.weights import expect_shapes


class Tensors:
    """A state dict that empties while a graph is written, so that the weights are not in memory twice.

    Args:
        held: Name to array.
        where: The weight file, for error messages.
    """

    def __init__(self, held: dict[str, npt.NDArray[Any]], where: str) -> None:
        self._held = held
        self.where = where

    def __contains__(self, name: str) -> bool:
        return name in self._held

    def take(self, name: str, *shape: int) -> Floats:
        """An array in float32.

        Raises:
            WeightsError: It is missing, has another shape, or holds no finite floats.
        """
        found = expect_shapes(self._held, {name: shape}, where=self.where)[name]
        del self._held[name]
        return found

    def affine(self, name: str, *shape: int) -> Affine:
        """`<name>.weight` of that shape, and `<name>.bias` of its first side.

        Raises:
            WeightsError: One is missing, has another shape, or holds no finite floats.
        """
        return Affine(self.take(f"{name}.weight", *shape), self.take(f"{name}.bias", shape[0]))

    def bias(self, name: str, length: int) -> Floats:
        """`<name>.bias`, or zeros where the layer has none.

        Raises:
            WeightsError: It has another shape, or holds no finite floats.
        """
        name = f"{name}.bias"
        return self.take(name, length) if name in self._held else np.zeros(length, np.float32)

"""The names and shapes of a weight file's arrays, compared with what a model needs before one number is read.

Gigabytes of weights have an index of some kilobytes. That a file is another model's, cut short, or no weights at all is
told from that, before a run begins. What is left for loading are numbers that are NaN or infinite.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nemo_curator.models.layouts.layout import Described
from nemo_curator.models.layouts.text import DescribedText
from nemo_curator.models.torch_file import torch_outlines
from nemo_curator.models.towers.ops import Floats
from nemo_curator.models.towers.tensors import Tensors
from nemo_curator.models.weights import expect_shape, safetensors_outlines


class Outlines(Tensors):
    """Arrays that have a shape and a type, and no numbers: they take no memory, and are all zero."""

    def take(self, name: str, *shape: int) -> Floats:
        """An array of zeros of that shape, if the file has such a one.

        Raises:
            WeightsError: It is missing, has another shape, or is not of floats.
        """
        expect_shape(self._held, name, shape, where=self.where)
        del self._held[name]
        return np.broadcast_to(np.float32(0), shape)


def read_outlines(path: str | os.PathLike[str], prefixes: tuple[str, ...] = ("",)) -> dict[str, npt.NDArray[Any]]:
    """The arrays of a weight file of either format, by name, without their numbers.

    Args:
        path: The file.
        prefixes: What the names of those that are wanted begin with.

    Raises:
        WeightsNotFoundError: There is no such file.
        WeightsError: It cannot be read, or is damaged.
    """
    read = safetensors_outlines if Path(path).suffix == ".safetensors" else torch_outlines
    return read(path, prefixes)


def expect_tower(path: Path, found: Described) -> None:
    """Refuse a weight file that lacks an array of an image tower, or has it in another shape.

    Raises:
        WeightsNotFoundError: There is no such file.
        WeightsError: It cannot be read, is damaged, or of another model.
    """
    weights = found.arrange(Outlines(read_outlines(path, found.prefixes), str(path)))
    for index in range(weights.tower.layers):
        weights.layer(index)
    for part in (weights.projection, weights.pool):
        if part is not None:
            part()


def expect_text_tower(path: Path, found: DescribedText) -> None:
    """The same of a text tower.

    Raises:
        WeightsNotFoundError: There is no such file.
        WeightsError: It cannot be read, is damaged, or of another model.
    """
    weights = found.arrange(Outlines(read_outlines(path, found.prefixes), str(path)))
    for index in range(weights.tower.layers):
        weights.layer(index)
    weights.projection()

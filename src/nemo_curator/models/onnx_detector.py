"""Models that find regions in pictures, as one ONNX graph that takes pictures of any size."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt

from nemo_curator.models.loaded_model import LoadedModel
from nemo_curator.models.runtimes.onnx_session import OnnxSession
from nemo_curator.models.spec import Regions

_GRID = 32  # the networks halve a picture five times
Padding = Literal["edge", "black"]


class OnnxDetector(LoadedModel[OnnxSession]):
    """A `Detector` over a graph; a subclass says which graph, and how regions are read from its outputs.

    A subclass may set:
        padding: What fills up a picture to the right and below: its last column and row repeated, or black.
    """

    padding: ClassVar[Padding] = "edge"

    @abstractmethod
    def graph(self) -> bytes:
        """The serialised graph, of one uint8 picture of any size.

        Raises:
            WeightsError: The weights are damaged or of another model.
        """

    def open(self) -> OnnxSession:
        """Load the graph; ONNX Runtime takes pictures of any size without compiling anew, whatever else is installed.

        Raises:
            WeightsError: The weights are damaged or of another model.
        """
        return OnnxSession(self.graph(), threads=self._threads, where=str(self._weights))

    @abstractmethod
    def regions(
        self, outputs: dict[str, npt.NDArray[np.float32]], height: int, width: int
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Corners `(N, 4, 2)` and scores `(N,)` from the graph's outputs for a picture of `height` by `width`.

        The outputs are those of the picture after padding, to `padded_size(height, width)`.
        """

    def __call__(self, pictures: Sequence[npt.NDArray[np.uint8]]) -> list[Regions]:
        """The regions of each picture.

        Args:
            pictures: uint8 RGB `(H, W, 3)`, each cut to `spec.view`; their sizes may differ.

        Returns:
            One `Regions` a picture, which depends on that picture alone, to the last bit.

        Raises:
            ModelError: `setup` was not called.
            ValueError: A picture has another type or shape.
        """
        session = self.session
        found: list[Regions] = []
        for picture in pictures:
            if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3 or not picture.size:
                raise ValueError(f"expected a picture of uint8 (H, W, 3), got {picture.dtype} {picture.shape}")
            height, width = picture.shape[:2]
            corners, scores = self.regions(session.run_one(padded(picture, self.padding)), height, width)
            found.append(Regions(corners, scores, height, width))
        return found


def padded_size(height: int, width: int) -> tuple[int, int]:
    """Both sides rounded up to what the networks can halve five times."""
    return -(-height // _GRID) * _GRID, -(-width // _GRID) * _GRID


def padded(picture: npt.NDArray[np.uint8], padding: Padding = "edge") -> npt.NDArray[np.uint8]:
    """A picture `(H, W, 3)` filled up to the right and below, until its sides are such."""
    height, width = padded_size(*picture.shape[:2])
    below, beside = height - picture.shape[0], width - picture.shape[1]
    if not below and not beside:
        return picture
    return np.pad(picture, ((0, below), (0, beside), (0, 0)), mode="edge" if padding == "edge" else "constant")

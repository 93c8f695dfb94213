"""Image models that give one row of numbers a picture, as one ONNX graph."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np
import numpy.typing as npt

from nemo_curator.models.loaded_model import LoadedModel
from nemo_curator.models.runtimes.opening import open_graph
from nemo_curator.models.runtimes.session import Session


class OnnxImageModel(LoadedModel[Session]):
    """An `ImageModel` over a graph; a subclass says which graph and which output."""

    output: str

    @abstractmethod
    def graph(self) -> bytes:
        """The serialised graph, of uint8 pictures.

        Raises:
            WeightsError: The weights are damaged or of another model.
        """

    def open(self) -> Session:
        """Load the graph.

        Raises:
            WeightsError: The weights are damaged or of another model.
        """
        return open_graph(self.graph(), self.numerics, threads=self._threads, where=str(self._weights))

    def __call__(self, batch: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """The model's output for each picture.

        Args:
            batch: uint8 RGB `(N, H, W, 3)`, each picture cut to `spec.view`.

        Returns:
            float32 `(N, dimension)` or `(N,)`; row i depends on `batch[i]` alone, to the last bit.

        Raises:
            ModelError: `setup` was not called.
            ValueError: `batch` has another type or shape.
        """
        return self.run(batch, self.output)

    def run(self, batch: npt.NDArray[np.uint8], output: str) -> npt.NDArray[np.float32]:
        """Any named output of the graph, under the conditions of `__call__`."""
        return self.session.run(np.asarray(batch), output)

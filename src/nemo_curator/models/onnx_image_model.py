"""Image models that give one row of numbers a picture, as one ONNX graph."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nemo_curator.models.onnx_model import OnnxModel


class OnnxImageModel(OnnxModel):
    """An `ImageModel` over a graph; a subclass says which graph and which output."""

    output: str

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

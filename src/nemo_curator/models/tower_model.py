"""Image models that are vision transformers, by whichever runtime and in whichever precision is chosen."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np
import numpy.typing as npt

from nemo_curator.models.loaded_model import LoadedModel
from nemo_curator.models.numerics import Numerics
from nemo_curator.models.request import Pace
from nemo_curator.models.runtimes.opening import open_tower
from nemo_curator.models.runtimes.session import Session
from nemo_curator.models.towers.vision import VisionWeights, write

_SMALLEST_GROUP = 64


class TowerModel(LoadedModel[Session]):
    """An `ImageModel` over a vision transformer; a subclass says where its shape and arrays lie."""

    @abstractmethod
    def read(self) -> VisionWeights:
        """The tower in the weight file's folder.

        Raises:
            WeightsNotFoundError: A file is missing.
            WeightsError: A file is damaged or of another model.
        """

    def open(self) -> Session:
        """Load the tower.

        Raises:
            WeightsNotFoundError: A file is missing.
            WeightsError: A file is damaged or of another model.
        """
        return open_vision(self.read(), self.numerics, self._threads, str(self._weights))

    @property
    def pace(self) -> Pace:
        """How it likes to be called, once it is loaded."""
        return Pace(self.session.batch, self.session.lanes)

    def __call__(self, batch: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Embeddings of pictures.

        Args:
            batch: uint8 RGB `(N, H, W, 3)`, each picture cut to `spec.view`.

        Returns:
            float32 `(N, dimension)` of unit L2 norm; row i depends on `batch[i]` alone, to the last bit.

        Raises:
            ModelError: `setup` was not called.
            ValueError: `batch` has another type or shape.
        """
        return unit_rows(self.session.run(np.asarray(batch), "embedding"))


def open_vision(weights: VisionWeights, numerics: Numerics, threads: int, where: str) -> Session:
    """A vision tower, ready to run.

    Raises:
        WeightsError: The arrays do not fit the tower, or the runtime refuses it.
    """
    return open_tower(
        lambda ops: write(ops, weights),
        numerics,
        group=group(weights.tower.width, weights.tower.hidden),
        threads=threads,
        where=where,
    )


def group(width: int, hidden: int) -> int:
    """How many numbers of a token share a scale in int8: as many as divide the inputs of all linear layers.

    Where these have too little in common, as those of SigLIP so400m (1152 and 4304: 16), a token's length, of which the
    last group inside a perceptron is a part. Small groups were slower there than bf16, and this one 1.6 times as fast.

    Args:
        width: Length of a token.
        hidden: Length of a token inside a perceptron.
    """
    common = int(np.gcd(width, hidden))
    return common if common >= _SMALLEST_GROUP else width


def unit_rows(rows: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Rows `(N, D)` scaled to an L2 norm of one, each by itself; a row of zeros stays zero."""
    # a sum of products row by row has the same bits for any number of rows, which a matrix product has not
    norms = np.sqrt((rows.astype(np.float64) ** 2).sum(axis=1, keepdims=True))
    unit: npt.NDArray[np.float32] = (rows / np.maximum(norms, 1e-12)).astype(np.float32)
    return unit

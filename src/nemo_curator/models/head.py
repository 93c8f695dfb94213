"""A head of the registry: the scores that a small model gives for embeddings."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nemo_curator.errors import ModelError
from nemo_curator.models.embeddings import as_rows
from nemo_curator.models.spec import HeadFunction, HeadSpec
from nemo_curator.models.weights import verify_sha256


class Head:
    """Scores for embeddings; it pickles before `setup` and after.

    Args:
        spec: What the registry knows about the head.
        weights: The weight file.
    """

    def __init__(self, spec: HeadSpec, weights: Path) -> None:
        self.spec = spec
        self._weights = weights
        self._function: HeadFunction | None = None

    def setup(self) -> None:
        """Verify and load the weights; a second call does nothing.

        Raises:
            WeightsNotFoundError: The weight file is gone.
            WeightsError: It is not the pinned one, or damaged, or of another model.
        """
        if self._function is None:
            self._function = self._loaded()

    def check(self) -> None:
        """Find out whether the head can be loaded, by loading it: a head has few numbers. It stays as it was.

        Raises:
            WeightsNotFoundError: The weight file is gone.
            WeightsError: It is not the pinned one, or damaged, or of another model.
        """
        self._loaded()

    def _loaded(self) -> HeadFunction:
        if self.spec.sha256:
            verify_sha256(self._weights, self.spec.sha256)
        module, _, attribute = self.spec.loader.partition(":")
        function: HeadFunction = getattr(import_module(module), attribute)(self._weights, self.spec.dimension)
        return function

    def __call__(self, embeddings: Any) -> npt.NDArray[np.float32]:
        """Scores for embeddings of unit L2 norm.

        Args:
            embeddings: `(N, spec.dimension)`, a NumPy array or a torch tensor.

        Returns:
            `(N,)` float32; a row's score does not depend on the other rows, to the last bit, and is NaN where the row
            holds NaN or infinity.

        Raises:
            ModelError: `setup` was not called.
            ValueError: The shape is another.
        """
        if self._function is None:
            raise ModelError(f"the head {self.spec.name} was called before setup()")
        return self._function(as_rows(embeddings, self.spec.dimension))

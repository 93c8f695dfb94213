"""What all models that run as one ONNX graph share: verified weights, loaded once, that do not pickle after."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nemo_curator.errors import ModelError
from nemo_curator.models.session import GraphSession
from nemo_curator.models.spec import ModelSpec
from nemo_curator.models.weights import sha256_of, verify_sha256


class OnnxModel:
    """One graph, made from a weight file.

    Args:
        spec: What the registry knows about the model.
        weights: The weight file.
        threads: Threads that one call may use.
    """

    def __init__(self, spec: ModelSpec, weights: Path, threads: int = 1) -> None:
        self.spec = spec
        self._weights = weights
        self._threads = threads
        self._session: GraphSession | None = None

    def graph(self) -> tuple[bytes, dict[str, npt.NDArray[np.float32]]]:
        """The serialised graph, and the arrays that are handed over beside it."""
        raise NotImplementedError

    def setup(self) -> None:
        """Verify and load the weights; a second call does nothing.

        Raises:
            WeightsNotFoundError: The weight file is gone.
            WeightsError: It is not the pinned one, or of another model.
        """
        if self._session is not None:
            return
        if self.spec.sha256:
            verify_sha256(self._weights, self.spec.sha256)
        graph, beside = self.graph()
        self._session = GraphSession(graph, threads=self._threads, weights=beside, where=str(self._weights))

    @property
    def session(self) -> GraphSession:
        """The loaded graph.

        Raises:
            ModelError: `setup` was not called.
        """
        if self._session is None:
            raise ModelError(f"the model {self.spec.name} was called before setup()")
        return self._session

    def weights_sha256(self) -> str:
        """Hex SHA-256 of the weight file, computed once in a process."""
        return sha256_of(self._weights)

    def __getstate__(self) -> dict[str, Any]:
        if self._session is not None:
            raise TypeError(
                f"the model {self.spec.name} does not pickle after setup(); send it before and load it there"
            )
        return self.__dict__

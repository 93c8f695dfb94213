"""What all models share that are made from one weight file: verified, loaded once, not to be pickled after."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, Generic, TypeVar

from nemo_curator.errors import ModelError
from nemo_curator.models.numerics import Numerics, default
from nemo_curator.models.spec import ModelSpec
from nemo_curator.models.weights import sha256_of, verify_sha256

S = TypeVar("S")


class LoadedModel(ABC, Generic[S]):
    """A model over one session.

    Args:
        spec: What the registry knows about the model.
        weights: The weight file.
        threads: Threads that one call may use.
        numerics: How it is computed; None leaves it to `numerics.default`.
    """

    def __init__(self, spec: ModelSpec, weights: Path, threads: int = 1, numerics: Numerics | None = None) -> None:
        self.spec = spec
        self.numerics = numerics or default(spec.precisions)
        self._weights = weights
        self._threads = threads
        self._session: S | None = None

    @abstractmethod
    def open(self) -> S:
        """Load the weights.

        Raises:
            WeightsNotFoundError: A file is missing.
            WeightsError: A file is damaged or of another model.
        """

    def setup(self) -> None:
        """Verify and load the weights; a second call does nothing.

        Raises:
            WeightsNotFoundError: A weight file is gone.
            WeightsError: It is not the pinned one, or damaged, or of another model.
        """
        if self._session is not None:
            return
        if self.spec.sha256:
            verify_sha256(self._weights, self.spec.sha256)
        self._session = self.open()

    @property
    def session(self) -> S:
        """What was loaded.

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

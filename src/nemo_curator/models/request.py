"""How a model is made, said before it is loaded: what another process needs to make the same one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt


class Runnable(Protocol):
    """What is asked of a model that other processes use: an `ImageModel`, with or without a specification."""

    def setup(self) -> None:
        """Load the weights; a second call does nothing."""

    def __call__(self, batch: Any, /) -> npt.NDArray[np.float32]:
        """Run the model on pictures uint8 `(N, H, W, 3)`: float32 `(N, D)` or `(N,)`, each row its picture's alone."""


class TextRunnable(Protocol):
    """The same of a model of texts: a `TextModel`, with or without a specification."""

    def setup(self) -> None:
        """Load the weights; a second call does nothing."""

    def __call__(self, texts: Sequence[str], /) -> npt.NDArray[np.float32]:
        """Run the model on texts: float32 `(N, D)`, each row its text's alone."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How a loaded model likes to be called; a `Runnable` may say so as its `pace`.

    Attributes:
        batch: Pictures that it computes at once: a call of so many, or a multiple, wastes nothing.
        lanes: Calls that may go on at a time, from several threads: more than one where a device of its own computes.
    """

    batch: int = 1
    lanes: int = 1


def pace_of(model: object) -> Pace:
    """The pace of a model that is loaded; one picture in one lane where it says nothing."""
    pace = getattr(model, "pace", None)
    return pace if isinstance(pace, Pace) else Pace()


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """A model to be made by whoever has room for it; equal requests mean one and the same model.

    It pickles as the name of what makes the model, and a few parameters; no weight is in it.

    Attributes:
        make: A function or class of a module of this package. It takes `arguments` and `threads` by name and gives a
            model that is not loaded yet.
        arguments: (Name, value) of each argument, in order of the names; values are hashable.
    """

    make: Callable[..., Any]
    arguments: Sequence[tuple[str, Any]]

    @classmethod
    def of(cls, make: Callable[..., Any], **arguments: Any) -> ModelRequest:
        """A request for what `make(**arguments)` gives."""
        return cls(make, tuple(sorted(arguments.items())))

    def model(self, threads: int = 1) -> Any:
        """The model, a `Runnable` or a `TextRunnable`, not loaded yet.

        Args:
            threads: Threads that one call may use.

        Raises:
            ModelError: There is no such model, or its weights are not in place.
        """
        return self.make(**dict(self.arguments), threads=threads)

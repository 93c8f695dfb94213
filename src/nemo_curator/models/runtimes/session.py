"""A loaded model, whichever runtime runs it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from nemo_curator.errors import ModelError


class Session(Protocol):
    """One loaded graph; it belongs to the process that made it and does not pickle.

    Attributes:
        batch: Items that are computed at once. A call of fewer takes as long where it is filled up to that.
        lanes: Calls, of several threads, that gain from going on at a time.
    """

    batch: int
    lanes: int

    @property
    def item_shape(self) -> tuple[int, ...]:
        """Shape of one input item, without the batch dimension; what is no positive number stands for any size."""

    def run(self, batch: npt.NDArray[Any], output: str) -> npt.NDArray[np.float32]:
        """The named output for every item of `batch`.

        Args:
            batch: `(N, *item_shape)` of the input's type; N may be 0.
            output: Name of an output.

        Returns:
            float32 `(N, ...)`; row i depends on `batch[i]` alone, to the last bit.

        Raises:
            ValueError: `batch` has another type or shape.
        """


def check_batch(batch: npt.NDArray[Any], dtype: type[np.generic], item_shape: tuple[int, ...]) -> None:
    """Refuse a batch that is not what a session takes.

    Raises:
        ValueError: It has another type or shape.
    """
    fits = batch.ndim == len(item_shape) + 1 and all(
        wanted == size or not isinstance(wanted, int) or wanted < 0
        for wanted, size in zip(item_shape, batch.shape[1:], strict=True)
    )
    if batch.dtype != dtype or not fits:
        wanted = f"{np.dtype(dtype)} (N, {', '.join(map(str, item_shape))})"
        raise ValueError(f"expected {wanted}, got {described(batch)}")


@contextmanager
def in_words(library: str) -> Iterator[None]:
    """What a library raises while it runs a model becomes an error that ends the run.

    It says nothing about the pictures: memory may have run out. They must not be blamed, because the same run a minute
    later would keep them.

    Args:
        library: Its name.

    Raises:
        ModelError: The library failed.
    """
    try:
        yield
    except Exception as error:  # libraries raise plain RuntimeErrors, of many causes
        told = str(error).strip().splitlines()
        raise ModelError(
            f"{library} failed to run the model: {told[0] if told else type(error).__name__}",
            cause="memory ran out, or a fault of the library",
            act="free memory, or choose another runtime, and run the same command again: it goes on where it stopped",
        ) from error


def described(array: npt.NDArray[Any]) -> str:
    """An array's type and shape, in words."""
    return f"{array.dtype} ({', '.join(map(str, array.shape))})"

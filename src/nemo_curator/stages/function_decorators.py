"""A function as a stage."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from nemo_curator.stages.base import ProcessingStage
from nemo_curator.stages.resources import Resources
from nemo_curator.tasks import Task

X = TypeVar("X", bound=Task[Any])
Y = TypeVar("Y", bound=Task[Any])


class FunctionStage(ProcessingStage[X, Y], Generic[X, Y]):
    """A stage whose `process` is a function; calling the stage calls the function."""

    def __init__(
        self,
        function: Callable[[X], Y | list[Y] | None],
        name: str | None = None,
        resources: Resources | None = None,
        batch_size: int | None = None,
    ) -> None:
        self.function = function
        self.__doc__ = function.__doc__
        self._name = name or function.__name__
        self._resources = resources or Resources()
        self._batch_size = batch_size or 1

    def process(self, task: X) -> Y | list[Y] | None:
        """Call the function on one task."""
        return self.function(task)

    def __call__(self, task: X) -> Y | list[Y] | None:
        """Call the function, as if it had not been decorated."""
        return self.function(task)


def processing_stage(
    name: str | None = None, resources: Resources | None = None, batch_size: int | None = None
) -> Callable[[Callable[[X], Y | list[Y] | None]], FunctionStage[X, Y]]:
    """Turn a function of one task into a stage.

    Args:
        name: The stage's name; the function's own by default.
        resources: What one worker asks of the machine; one CPU core by default.
        batch_size: Tasks a call of `process_batch` gets; 1 by default.
    """

    def decorate(function: Callable[[X], Y | list[Y] | None]) -> FunctionStage[X, Y]:
        return FunctionStage(function, name, resources, batch_size)

    return decorate

"""Stages by the name that recipes use: entry points of the group `nemo_curator.stages`, ours and anyone's."""

from __future__ import annotations

import importlib
import sys
from dataclasses import fields, is_dataclass
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Protocol, cast, runtime_checkable

from nemo_curator.errors import MissingExtraError, RecipeError, nearest
from nemo_curator.stages.base import ProcessingStage
from nemo_curator.stages.declarations import Column
from nemo_curator.tasks import ImageBatch

GROUP = "nemo_curator.stages"

# Parameters of stages that act in a pipeline made by hand, and would pass silently here.
_IDLE = {
    "score_threshold": "scores are only recorded; write a rule that compares the column",
    "verbose": "leave it out",
    "num_gpus_per_worker": "leave it out",
}


@runtime_checkable
class ScoreStage(Protocol):
    """A stage that a recipe can name: it records columns, and drops nothing when asked to annotate."""

    def score_columns(self) -> tuple[Column, ...]:
        """The columns that it records."""
        ...

    def annotate(self, task: ImageBatch) -> ImageBatch:
        """Record the columns of every image."""
        ...


@lru_cache(1)
def _points(path: tuple[str, ...]) -> tuple[EntryPoint, ...]:
    """The entry points on a path; looking through all installed packages takes milliseconds, and each score asks."""
    del path  # it is where they are looked for
    return tuple(entry_points(group=GROUP))


def score_names() -> list[str]:
    """Names of all score stages that are installed, sorted."""
    return sorted({point.name for point in _points(tuple(sys.path))})


def class_of(name: str) -> str:
    """`package.module:Class` of a recipe's name for a stage, found without importing it; "" where there is none."""
    if ":" in name:
        return name
    return next((point.value for point in _points(tuple(sys.path)) if point.name == name), "")


def declared_class(name: str) -> Any:
    """The class of a recipe's name for a stage; None where there is none, or its parts are not installed."""
    try:
        return _stage_class(name)
    except (MissingExtraError, RecipeError):
        return None


def declared_columns(name: str) -> tuple[Column, ...]:
    """The columns that a score's class declares, whether or not its parts are installed; () where that is not known."""
    try:
        return tuple(getattr(_stage_class(name), "columns", ()))
    except MissingExtraError:
        return ()


def make_score_stage(name: str, parameters: dict[str, Any]) -> ProcessingStage[ImageBatch, ImageBatch]:
    """The stage of that recipe name with its parameters set.

    Args:
        name: An entry point's name, or `package.module:Class`.
        parameters: Field name to value.

    Raises:
        RecipeError: There is no such stage, it is no score stage, or it has no such parameter.
        MissingExtraError: A package that it needs is not installed.
        ModelError: A model of it is unknown, or its weights are not there.
    """
    kind = _stage_class(name)
    if not (isinstance(kind, type) and issubclass(kind, ProcessingStage) and issubclass(kind, ScoreStage)):
        raise RecipeError(
            f"{name!r} is no score",
            act="name a ProcessingStage with annotate() and score_columns(), as every filter is",
        )
    known: list[str] = [field.name for field in fields(kind) if field.init] if is_dataclass(kind) else []
    parameters = _gathered(kind, parameters, known)
    for parameter in parameters:
        if parameter in _IDLE:
            raise RecipeError(
                f"the parameter {parameter!r} of score {name!r} means nothing in a recipe", act=_IDLE[parameter]
            )
        if parameter not in known or parameter.startswith("_"):
            public = [field for field in known if not field.startswith("_")]
            raise RecipeError(f"score {name!r} has no parameter {parameter!r}", act=nearest(parameter, public))
    try:
        stage = kind(**parameters)
    except ValueError as error:  # the stage's own words
        raise RecipeError(f"score {name!r}: {error}") from error
    except TypeError as error:
        raise RecipeError(f"score {name!r} does not take these parameters: {error}") from error
    return cast("ProcessingStage[ImageBatch, ImageBatch]", stage)


def _gathered(kind: Any, parameters: dict[str, Any], known: list[str]) -> dict[str, Any]:
    """The parameters, those of names that the user chose being put into the field that a stage has for them.

    The field is called what the class attribute `own_names` says.
    """
    home: str = getattr(kind, "own_names", "")
    own = {name: value for name, value in parameters.items() if name not in {*known, *_IDLE}}
    if not home or not own:
        return parameters
    others = {name: value for name, value in parameters.items() if name not in own}
    held = others.get(home) or {}
    return {**others, home: {**held, **own} if isinstance(held, dict) else held}


def _stage_class(name: str) -> Any:
    if ":" in name:
        module, _, attribute = name.partition(":")
        try:
            return getattr(importlib.import_module(module), attribute)
        except (ImportError, AttributeError, ValueError, TypeError) as error:  # the last two: no name of a module
            raise RecipeError(
                f"score {name!r} cannot be imported: {error}",
                act="install its package, or name its folder in PYTHONPATH (`PYTHONPATH=. imagecurator run …`)",
            ) from error
    for point in _points(tuple(sys.path)):
        if point.name == name:
            try:
                return point.load()
            except (ImportError, AttributeError) as error:
                owner = point.dist.name if point.dist else point.module
                raise MissingExtraError(
                    f"score {name!r} of the package {owner} cannot be imported: {error}",
                    act=f"install what {owner} needs, or remove it",
                ) from error
    raise RecipeError(f"there is no score {name!r}", act=nearest(name, score_names()))

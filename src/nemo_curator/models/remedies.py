"""What to do about weights that are missing or wrong: all files, where they belong, and the command that fetches."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from nemo_curator.errors import WeightsError, WeightsNotFoundError
from nemo_curator.models.weights import MODEL_DIR, model_directory

if TYPE_CHECKING:
    from nemo_curator.models.spec import UserWeights

NAMING = f"name your directory of models in {MODEL_DIR}, as model_dir, or with --model-dir DIR (embed, search, models)"
"""What to do where no directory of models is known."""

_VAGUE = ("", "fetch it again", "install the file again")  # acts of readers, which do not know whose file it is


def no_directory(weights: UserWeights) -> WeightsNotFoundError:
    """The sentence for weights that nobody can look for."""
    where = f"DIR/{weights.place(weights.published)}"
    bring = f"then run `imagecurator models get {weights.model}`, or " if weights.fetchable else ""
    return WeightsNotFoundError(
        f"no model_dir was given, so {weights.file} cannot be found",
        act=f"{NAMING}; {bring}put the file of {_source(weights)} at {where}",
    )


def missing(weights: UserWeights, models: Path, names: Sequence[str]) -> WeightsNotFoundError:
    """The sentence for files that are not under a directory of models.

    Args:
        weights: The model's weights.
        models: The directory that holds all models.
        names: The files that are missing, in words.
    """
    folder = (models / weights.file).parent
    own = PurePosixPath(weights.file).parent
    if models.is_file():
        return WeightsNotFoundError("this is a file, and no directory of models", where=str(models), act=NAMING)
    if own.parts and models.parts[-len(own.parts) :] == own.parts and models.is_dir():
        return WeightsNotFoundError(
            "this is the folder of one model, and no directory of models",
            where=str(models),
            act=f"name {models.parents[len(own.parts) - 1]} as the directory of models",
        )
    listed = " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
    its, them = ("these files are", "them") if len(names) > 1 else ("this file is", "it")
    cause = "" if models.is_dir() else f"there is no directory {models}"
    return WeightsNotFoundError(
        f"{its} missing: {listed}",
        where=str(folder),
        cause=cause,
        act=f"{_fetching(weights, models, '')}put {them} there, from {_source(weights)}",
    )


def _instead_of(weights: UserWeights, path: Path, models: Path) -> str:
    """What to do about a weight file that is another one than the model's."""
    published = weights.published
    if path.name == published:
        return f"{_fetching(weights, models, ' --replace')}put the file of {_source(weights)} there"
    fetched = f": {_command(weights, models)}" if weights.fetchable else ""
    return f"move it away, and put {published} of {_source(weights)} there{fetched}"


@contextmanager
def with_remedy(weights: UserWeights, path: Path) -> Iterator[None]:
    """An error about a model's files, raised inside the block, says what to do about them.

    Args:
        weights: The model's weights.
        path: Its weight file.

    Raises:
        WeightsError: As inside, told what to do.
    """
    try:
        yield
    except WeightsError as error:
        if error.act in _VAGUE:
            models = path.parents[len(PurePosixPath(weights.file).parts) - 1]
            if error.where == str(path.parent) or error.where.endswith(".json"):
                settings = f"put the settings of {_source(weights)} there"
                error.act = f"{_fetching(weights, models, ' --replace')}{settings}"
            else:
                error.act = _instead_of(weights, path, models)
        raise


def _fetching(weights: UserWeights, models: Path, option: str) -> str:
    """The command that does it, as the first of two ways; "" where no hub has the files."""
    return f"run {_command(weights, models, option)}, or " if weights.fetchable else ""


def _command(weights: UserWeights, models: Path, option: str = "") -> str:
    named = "" if model_directory(None) == models else f" --model-dir {shlex.quote(str(models))}"
    return f"`imagecurator models get {weights.model}{option}{named}`"


def _source(weights: UserWeights) -> str:
    return f"{weights.origin} ({weights.address})" if weights.address else weights.origin

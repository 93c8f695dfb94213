"""What lies in a model's place, compared with what is published, and whether it can be read as the model.

Files are hashed as they are now, and read by the same code that a run reads them with, which runs nothing in them.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from nemo_curator.errors import CuratorError, NoTextTowerError, OutputExistsError, WeightsError, WeightsNotFoundError
from nemo_curator.models import registry
from nemo_curator.models.detectors import DETECTING
from nemo_curator.models.hub import listed
from nemo_curator.models.legible import is_file
from nemo_curator.models.spec import HeadSpec, ModelSpec, PackagedWeights, PublishedFile, UserWeights
from nemo_curator.models.weights import fresh_sha256, model_directory

FileState = Literal["missing", "published", "other", "unknown"]
State = Literal["missing", "published", "other", "unknown", "damaged"]


@dataclass(frozen=True, slots=True)
class Lying:
    """One file in a model's place.

    Attributes:
        name: Its name.
        path: Where it is, or belongs.
        state: `missing`; `published`: its bytes are the published ones; `other`: they are not; `unknown`: of the
            published file no hash is known, or nobody publishes it.
        size: Its length in bytes; 0 where it is missing.
        sha256: Hex SHA-256 of its bytes; "" where it is missing.
    """

    name: str
    path: str
    state: FileState
    size: int = 0
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found of one model.

    Attributes:
        name: The model's name.
        state: `missing`; `damaged`: it cannot be read as the model; else that of its files: `other` where one is
            another than the published one, `unknown` where of one nothing is known, `published`.
        problem: Why it cannot be used; "" where it can.
        files: Its files.
        texts: Why it embeds no texts, though models of its kind do; "" where it does, or nobody expects it to.
    """

    name: str
    state: State
    problem: str
    files: tuple[Lying, ...]
    texts: str = ""


def lying(weights: UserWeights, models: Path) -> list[Lying]:
    """The published files of a model and whatever else would be used in its place, each hashed if it is there.

    Args:
        weights: The model's weights.
        models: The directory that holds all models.
    """
    known = {file.name: file for file in weights.files}
    others = [name for name in (*weights.names, *weights.beside) if name not in known]
    hashes = {file.sha256 for file in weights.files if file.sha256}
    found = [_lying(file.name, models / weights.place(file.name), {file.sha256} - {""}) for file in weights.files]
    found += [_lying(name, models / weights.place(name), hashes, own="unknown") for name in others]
    wanted = {*known, *weights.beside} or set(weights.names[:1])
    return [one for one in found if one.state != "missing" or one.name in wanted]


def to_fetch(weights: UserWeights, found: Sequence[Lying], *, replace: bool) -> list[PublishedFile]:
    """Which published files have to be fetched, so that the published model is used from then on.

    Args:
        weights: The model's weights.
        found: What lies in its place.
        replace: Whether files that are not known to be the published ones may be replaced.

    Raises:
        OutputExistsError: A file of the user's own is in the way.
    """
    states = {one.name: one for one in found}
    lent = {one.name for one in found if one.name in weights.names and one.state == "published"}
    published = [name for name in weights.names if name in {file.name for file in weights.files}]
    # a name before the published one is taken first when the model is loaded
    before = weights.names[: weights.names.index(published[0])] if published else ()
    first = [name for name in before if name in states and name not in lent]
    if first:
        raise OutputExistsError(
            f"{first[0]} is there, and is used before the published {published[0]}",
            where=states[first[0]].path,
            cause="weights of your own, or the same in another format",
            act="move it away to use the published file",
        )
    own = [one for one in found if one.state == "other"]
    if own and not replace:
        raise OutputExistsError(
            f"{listed([one.name for one in own])}: not the published bytes",
            where=str(Path(own[0].path).parent),
            cause="your own, or damaged; `imagecurator models verify` tells",
            act="say --replace to have the published in the place of it, or name another directory",
        )
    taken = {"missing", "other", "unknown"} if replace else {"missing"}
    there = set(published) if lent else set[str]()  # perhaps under the name that it has elsewhere
    return [file for file in weights.files if states[file.name].state in taken and file.name not in there]


def check(spec: ModelSpec | HeadSpec, model_dir: str | os.PathLike[str] | None = None) -> Checked:
    """Hash a model's files, and read them as a run would.

    Args:
        spec: The model.
        model_dir: The user's model directory, for models whose weights no package carries.
    """
    files: tuple[Lying, ...] = ()
    try:
        files = _files(spec, model_dir)
        used = spec.weights.find(model_dir)
    except WeightsError as error:  # a file, or a folder on the way, that nobody may read
        return Checked(spec.name, "damaged", str(error), files)
    except WeightsNotFoundError as error:
        weights_there = any(one.state != "missing" and one.name in _names(spec) for one in files)
        return Checked(spec.name, "damaged" if weights_there else "missing", str(error), files)
    # what is not used says nothing of the model
    files = tuple(one for one in files if one.name not in _names(spec) or one.path == str(used))
    try:
        _created(spec, model_dir).setup()
        texts = _without_texts(spec, model_dir)
    except CuratorError as error:
        return Checked(spec.name, "damaged", str(error), files)
    found = {one.state for one in files}
    state: State = "other" if "other" in found else "unknown" if "unknown" in found else "published"
    return Checked(spec.name, state, "", files, texts)


def _without_texts(spec: ModelSpec | HeadSpec, model_dir: str | os.PathLike[str] | None) -> str:
    """Load the text tower beside an image tower; why there is none, which is no fault of an image tower."""
    if not isinstance(spec, ModelSpec) or not spec.text_loader:
        return ""
    try:
        registry.create_text(spec.name, model_dir).setup()
    except NoTextTowerError as error:
        return str(error)
    return ""


def _lying(name: str, path: Path, hashes: set[str], own: FileState = "other") -> Lying:
    """A file, whose bytes are published if they have one of the hashes; `own` is what it is if they have none."""
    if not is_file(path):
        return Lying(name, str(path), "missing")
    sha256 = fresh_sha256(path)
    state: FileState = "published" if sha256 in hashes else own if hashes else "unknown"
    return Lying(name, str(path), state, path.stat().st_size, sha256)


def _files(spec: ModelSpec | HeadSpec, model_dir: str | os.PathLike[str] | None) -> tuple[Lying, ...]:
    if isinstance(spec.weights, PackagedWeights):
        try:
            path = spec.weights.find()
        except WeightsNotFoundError:
            return ()
        return (_lying(path.name, path, {spec.sha256}),)
    models = model_directory(model_dir)
    return tuple(lying(spec.weights, models)) if models is not None else ()


def _names(spec: ModelSpec | HeadSpec) -> tuple[str, ...]:
    weights = spec.weights
    return (Path(weights.file).name,) if isinstance(weights, PackagedWeights) else weights.names


def _created(spec: ModelSpec | HeadSpec, model_dir: str | os.PathLike[str] | None) -> Any:
    if isinstance(spec, HeadSpec):
        return registry.create_head(spec.name, model_dir)
    if spec.task in DETECTING:
        return registry.create_detector(spec.name, model_dir=model_dir)
    return registry.create(spec.name, model_dir=model_dir)

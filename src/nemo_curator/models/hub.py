"""Bringing the published files of a model into a user's model directory: whole and as published, or not at all.

A file is fetched into a folder of its own beside the models, compared with what is known of it, and only then renamed
to its place. The model directory is held (`storage.locked`) while this goes on, so that several processes fetch a file
once.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from nemo_curator import storage
from nemo_curator.errors import (
    CuratorError,
    MissingExtraError,
    ModelError,
    StorageError,
    WeightsError,
    WeightsNotFoundError,
)
from nemo_curator.models.hub_client import HubClient, Offered, of_storage
from nemo_curator.models.legible import is_file
from nemo_curator.models.spec import PublishedFile, UserWeights
from nemo_curator.models.weights import MODEL_DIR, fresh_sha256, model_directory

_STAGING = "get.tmp-"
Teller = Callable[[str], None]


def fetch(weights: UserWeights, model_dir: str | os.PathLike[str] | None) -> list[Path]:
    """Put the published files of a model into its place, leaving alone what is there.

    Args:
        weights: The model's weights.
        model_dir: The directory that holds all models; None means `$IMAGECURATOR_MODEL_DIR`.

    Returns:
        The files' paths, in the order of `weights.files`.

    Raises:
        WeightsNotFoundError: A file is missing and cannot be fetched; the message says which file to put where.
        WeightsError: What was fetched is not what was published.
        StorageError: There is no room for it, or no permission.
    """
    models = model_directory(model_dir)
    if models is None:
        cause = f"no model_dir is given, and {MODEL_DIR} is not set"
        raise _missing(weights, Path("MODEL_DIR"), weights.files, cause)
    paths = [models / weights.place(file.name) for file in weights.files]
    if not all(map(is_file, paths)):
        bring(weights, models, weights.files, keep=True, wait=True)
    return paths


def required_directory(model_dir: str | os.PathLike[str] | None) -> Path:
    """The directory of a user's models.

    Raises:
        ModelError: None is named anywhere.
    """
    models = model_directory(model_dir)
    if models is None:
        raise ModelError(
            "no directory for models is known", act=f"name one with --model-dir DIR, or in the variable {MODEL_DIR}"
        )
    return models


def listed(names: Sequence[str]) -> str:
    """Names as a sentence lists them."""
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else "".join(names)


def bring(
    weights: UserWeights,
    models: Path,
    files: Sequence[PublishedFile],
    *,
    keep: bool = False,
    wait: bool = False,
    progress: bool = False,
    tell: Teller = lambda _: None,
) -> None:
    """Fetch published files into their places.

    Args:
        weights: The model's weights.
        models: The directory that holds all models.
        files: Those of `weights.files` to fetch.
        keep: Whether what is there already stays; else it is replaced.
        wait: Whether to wait while another process fetches into the same directory.
        progress: Whether the client of the hub shows its bars.
        tell: Is given a line for each file before it is fetched.

    Raises:
        WeightsNotFoundError: A file cannot be fetched; the message says which file to put where.
        WeightsError: What was fetched is not what was published; it is not put into place.
        StorageError: There is no room for it, or no permission.
        LockedError: Another process is at it, and `wait` is not set.
    """

    def wanted() -> list[PublishedFile]:
        return [file for file in files if not (keep and is_file(models / weights.place(file.name)))]

    waiting = wanted()  # what a failure names
    client = _client(weights, models, waiting, progress=progress)
    with (
        _as_it_was(models),
        _sentences(client, weights, models, waiting),
        storage.locked(str(models), wait=wait),
        _staging(models) as staging,
    ):
        waiting[:] = absent = wanted()  # another process may have fetched some of them meanwhile
        found: dict[str, Path] = {}
        offers: dict[str, Offered] = {}
        for file in absent:
            copy = client.cached(weights.repository, weights.revision, file.name, staging)
            if copy is not None and (not file.sha256 or fresh_sha256(copy) == file.sha256):
                found[file.name] = copy
            else:
                offers[file.name] = client.offered(weights.repository, weights.revision, file.name)
                _refuse_another(offers[file.name], file, weights, models)
        _refuse_without_room(models, sum(offer.size for offer in offers.values()))
        for file in absent:
            place = models / weights.place(file.name)
            if file.name in offers:
                tell(f"fetching {place} from {weights.repository}")
                found[file.name] = client.download(weights.repository, weights.revision, file.name, staging)
                _refuse_damaged(found[file.name], file, offers[file.name], weights, models)
            else:
                tell(f"copying {place} from the hub's cache")
            storage.rename_local(str(found[file.name]), str(place))
            waiting.remove(file)


def _client(weights: UserWeights, models: Path, files: Sequence[PublishedFile], *, progress: bool) -> HubClient:
    """The client of the hub, where a hub has the files and the client is installed."""
    if not weights.repository:
        raise _missing(weights, models, files, "no hub has it")
    try:
        return HubClient(progress=progress)
    except MissingExtraError as error:
        raise _missing(weights, models, files, str(error)) from None


@contextmanager
def _as_it_was(models: Path) -> Iterator[None]:
    """A directory that was not there is not there afterwards either, if nothing came into it."""
    there = models.exists()
    try:
        yield
    finally:
        if not there:
            with suppress(OSError):
                models.rmdir()


@contextmanager
def _staging(models: Path) -> Iterator[Path]:
    """A folder for files under way, and none of a process that died."""
    for left in models.iterdir():
        if left.name.startswith(_STAGING) and storage.is_temporary(left.name):
            shutil.rmtree(left, ignore_errors=True)
    folder = models / f"{_STAGING}{secrets.token_hex(6)}"
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _sentences(client: HubClient, weights: UserWeights, models: Path, files: Sequence[PublishedFile]) -> Iterator[None]:
    """Whatever goes wrong inside the block becomes one of our errors, with what to put where."""
    try:
        yield
    except CuratorError as error:
        if isinstance(error, StorageError):
            error.act = f"{error.act}; or {_put_there(weights, models, files)}"
        raise
    except Exception as error:  # noqa: BLE001  the client's errors are many, and those of its libraries more
        refused = of_storage(error)
        if refused is None:
            raise _missing(weights, models, files, client.failure(error)) from None
        told = storage.storage_error(str(models), refused)
        told.act = f"{told.act}; or {_put_there(weights, models, files)}"
        raise told from None


def _refuse_another(offer: Offered, file: PublishedFile, weights: UserWeights, models: Path) -> None:
    """Nothing is fetched where the hub itself says that it has another file."""
    size = f"{offer.size:,} bytes, expected {file.size:,}" if file.size and offer.size not in {0, file.size} else ""
    sha256 = f"sha256 {offer.sha256}, expected {file.sha256}" if offer.sha256 not in {"", file.sha256} else ""
    if size or (sha256 and file.sha256):
        raise _another(
            f"the hub offers another {file.name} than the published one: {sha256 or size}", file, weights, models
        )


def _refuse_damaged(path: Path, file: PublishedFile, offer: Offered, weights: UserWeights, models: Path) -> None:
    expected = file.sha256 or offer.sha256
    sha256 = fresh_sha256(path)
    if (expected and sha256 != expected) or not (expected or _is_object(path, offer.tag)):
        said = f"sha256 {sha256}, expected {expected}" if expected else f"sha256 {sha256}, and not the hub's tag"
        raise _another(f"what came as {file.name} is not the published file: {said}", file, weights, models)


def _another(what: str, file: PublishedFile, weights: UserWeights, models: Path) -> WeightsError:
    return WeightsError(
        what,
        where=str(models / weights.place(file.name)),
        cause="a damaged download, a proxy or mirror that gives something else, or a change at the hub",
        act=f"try again, or {_put_there(weights, models, [file])}",
    )


def _is_object(path: Path, tag: str) -> bool:
    """Whether a small file is the Git object that the hub named; where it named none, there is nothing to compare."""
    if len(tag) != hashlib.sha1(usedforsecurity=False).digest_size * 2:
        return True
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0%b" % (len(content), content), usedforsecurity=False).hexdigest() == tag


def _refuse_without_room(models: Path, needed: int) -> None:
    free = shutil.disk_usage(models).free
    if needed > free:
        raise StorageError(
            f"there is no room for {needed / 1e9:,.1f} GB",
            where=str(models),
            cause=f"{free / 1e9:,.1f} GB are free",
            act="free space, or choose another directory",
        )


def _missing(weights: UserWeights, models: Path, files: Sequence[PublishedFile], cause: str) -> WeightsNotFoundError:
    names = listed([file.name for file in files])
    where = str((models / weights.file).parent)
    return WeightsNotFoundError(
        f"weights are missing: {names}", where=where, cause=cause, act=_put_there(weights, models, files)
    )


def _put_there(weights: UserWeights, models: Path, files: Sequence[PublishedFile]) -> str:
    """Which file to put where, by hand."""
    names = listed([file.name for file in files])
    return f"put {names} of {weights.address or weights.origin} into {(models / weights.file).parent}"

"""Fetching weight files from the model hub, for users who have its client installed."""

from __future__ import annotations

import importlib
import importlib.util
import os
from pathlib import Path

from nemo_curator.errors import WeightsNotFoundError
from nemo_curator.models.weights import MODEL_DIR, model_directory


def fetch(model_dir: str | os.PathLike[str] | None, repository: str, files: tuple[str, ...]) -> list[Path]:
    """Put files of a hub repository at `<model_dir>/<repository>/<file>`, leaving alone those that are there.

    Args:
        model_dir: The directory that holds all models; None means `$IMAGECURATOR_MODEL_DIR`.
        repository: `owner/name` on the hub.
        files: File names in the repository.

    Returns:
        The files' paths, in the order of `files`.

    Raises:
        WeightsNotFoundError: A file is missing and cannot be fetched; the message says which file to put where.
    """
    models = model_directory(model_dir)
    if models is None:
        cause = f"no model_dir is given, and {MODEL_DIR} is not set"
        raise _missing(Path("MODEL_DIR") / repository, list(files), repository, cause)
    folder = models / repository
    missing = [name for name in files if not (folder / name).is_file()]
    if missing and importlib.util.find_spec("huggingface_hub") is None:
        raise _missing(folder, missing, repository, "the package huggingface_hub is not installed")
    for name in missing:
        hub = importlib.import_module("huggingface_hub")
        try:
            hub.hf_hub_download(repo_id=repository, filename=name, local_dir=str(folder))
        except Exception as error:  # the client's errors are many, and all mean that the file is not here
            raise _missing(folder, missing, repository, f"fetching failed: {error}") from error
    return [folder / name for name in files]


def _missing(folder: Path, names: list[str], repository: str, cause: str) -> WeightsNotFoundError:
    return WeightsNotFoundError(
        f"weights are missing: {', '.join(names)}",
        where=str(folder),
        cause=cause,
        act=f"put {'it' if len(names) == 1 else 'them'} there, from the hub repository {repository}",
    )

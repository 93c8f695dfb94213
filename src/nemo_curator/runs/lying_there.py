"""Which partitions have files in a run, by a listing of each folder: to ask for each file would take longer."""

from __future__ import annotations

from pathlib import PurePosixPath

from nemo_curator import storage
from nemo_curator.runs.layout import RunDirectory


def parts_there(run: RunDirectory) -> frozenset[str]:
    """Ids of the partitions with a part, whole or torn."""
    return _ids_in(run, "parts", ".parquet")


def embeddings_there(run: RunDirectory) -> frozenset[str]:
    """Ids of the partitions with a Parquet of embeddings, whole or torn."""
    return _ids_in(run, "embeddings", ".parquet")


def matrices_there(run: RunDirectory) -> frozenset[str]:
    """Ids of the partitions with a matrix of embeddings, whole or torn."""
    return _ids_in(run, "embeddings_npy", ".npy")


def anything_embedded(run: RunDirectory) -> frozenset[str]:
    """Ids of the partitions with either."""
    return embeddings_there(run) | matrices_there(run)


def _ids_in(run: RunDirectory, folder: str, ending: str) -> frozenset[str]:
    try:
        found = storage.list(storage.join(run.root, folder), recursive=False)
    except OSError:  # there is no such folder
        return frozenset()
    names = (PurePosixPath(one.url).name for one in found)
    return frozenset(name.removesuffix(ending) for name in names if name.endswith(ending))

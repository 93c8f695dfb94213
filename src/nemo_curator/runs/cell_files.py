"""The cells of a set of embeddings as files, so that a later search need not make them again.

Three plain `.npy` files, written one by one and `starts.npy` last, which says that all are there. They are mapped when
they are opened; nothing is unpickled.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from nemo_curator import storage
from nemo_curator.errors import InputError
from nemo_curator.kernels.cells import Cells

_FILES: dict[str, tuple[type[np.generic], int]] = {
    "centroids": (np.float32, 2),
    "order": (np.int64, 1),
    "starts": (np.int64, 1),
}


def write_cells(folder: str, cells: Cells) -> None:
    """Write the cells into a folder, over those that are there.

    Args:
        folder: Path or URL.
        cells: What is written.

    Raises:
        StorageError: A file cannot be written.
    """
    storage.remove(storage.join(folder, "starts.npy"))  # what is half written must not be taken for whole
    for name in _FILES:
        with storage.write_atomic(storage.join(folder, f"{name}.npy")) as file:
            np.lib.format.write_array(file, np.ascontiguousarray(getattr(cells, name)), (1, 0), allow_pickle=False)


def open_cells(folder: str) -> Cells | None:
    """The cells in a folder, mapped where it is one of this machine; None where there are none, or not all.

    Args:
        folder: Path or URL.

    Raises:
        InputError: The files are damaged, or do not belong together.
    """
    if not storage.exists(storage.join(folder, "starts.npy")):
        return None
    try:
        cells = Cells(**{name: _opened(storage.join(folder, f"{name}.npy"), *kind) for name, kind in _FILES.items()})
        _check(cells)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(
            f"the index cannot be read: {error}",
            where=folder,
            cause="its files are torn, or were put together from several",
            act="remove the folder; the index is made again",
        ) from None
    return cells


def _opened(url: str, kind: type[np.generic], axes: int) -> npt.NDArray[Any]:
    if storage.is_local(url):
        array: npt.NDArray[Any] = np.load(storage.local_path(url), mmap_mode="r", allow_pickle=False)
    else:
        with storage.open(url) as file:
            array = np.lib.format.read_array(file, allow_pickle=False)
    if array.dtype != kind or array.ndim != axes:
        raise ValueError(f"{url} holds {array.dtype} of {array.ndim} axes")
    return array


def _check(cells: Cells) -> None:
    """Whether the three belong together: every row stands in one cell.

    Raises:
        ValueError: They do not.
    """
    starts, number = np.asarray(cells.starts), len(cells.order)
    if len(starts) != len(cells.centroids) + 1 or not len(cells.centroids):
        raise ValueError(f"{len(cells.centroids):,} centroids and {len(starts):,} starts")
    if starts[0] != 0 or starts[-1] != number or (np.diff(starts) < 0).any():
        raise ValueError("the starts of the cells do not fit the rows")
    if number and not (int(cells.order.min()) >= 0 and int(cells.order.max()) < number):
        raise ValueError("a row of the index does not exist")

"""An index of hashes in a file: looked up in without being read whole, or built again.

One plain array of 32-bit numbers, so that no two files can belong to different sets of hashes: the hashes, then the
three tables of `HammingIndex.arrays`, one behind the other. How many hashes there are follows from its length. Of a
local file, only what a search looks at is read.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nemo_curator import storage
from nemo_curator.errors import InputError
from nemo_curator.kernels.hamming import HammingIndex

_NAMES = ("hashes", "order", "near", "offsets")
_PIECES, _VALUES, _BEYOND, _WORDS = 16, 65_537, 64, 8
_EACH = _WORDS + 2 * _PIECES  # numbers a hash
_ONCE = _PIECES * (_VALUES + _BEYOND)  # numbers whatever the hashes

Numbers = npt.NDArray[np.uint32]


def write_index(url: str, index: HammingIndex) -> None:
    """Write an index, whole or not at all; equal hashes make equal bytes.

    Args:
        url: Its file, `.npy`.
        index: The index.

    Raises:
        StorageError: The file cannot be written.
    """
    arrays = index.arrays()
    length = len(index) * _EACH + _ONCE
    with storage.write_atomic(url) as file:
        header = {"descr": "<u4", "fortran_order": False, "shape": (length,)}
        np.lib.format.write_array_header_1_0(file, header)
        for name in _NAMES:
            file.write(np.ascontiguousarray(arrays[name]).data)


def open_index(url: str) -> HammingIndex:
    """The index in a file; of a local one the file is mapped.

    Args:
        url: What `write_index` wrote.

    Raises:
        InputError: It is missing, damaged, or something else.
    """
    try:
        return HammingIndex.from_arrays(_parts(_numbers(url)))
    except (OSError, ValueError, EOFError) as error:
        raise InputError(
            "this index of hashes is damaged or missing",
            where=url,
            cause=str(error),
            act="remove it, so that it is made anew from the hashes",
        ) from None


def _numbers(url: str) -> Numbers:
    if storage.is_local(url):
        found: Any = np.load(Path(storage.local_path(url)), mmap_mode="r", allow_pickle=False)
    else:
        with storage.open(url) as file:
            found = np.load(io.BytesIO(file.read()), allow_pickle=False)
    if not isinstance(found, np.ndarray):
        raise ValueError("it is no plain array")  # noqa: TRY004 (told as damage of the file, like the others)
    return found


def _parts(numbers: Numbers) -> dict[str, npt.NDArray[Any]]:
    count, rest = divmod(len(numbers) - _ONCE, _EACH)
    if numbers.ndim != 1 or numbers.dtype != np.dtype("<u4") or rest or count < 0:
        raise ValueError("it is no index of hashes")
    shapes = ((count, _WORDS), (_PIECES, count), (_PIECES, count + _BEYOND), (_PIECES, _VALUES))
    found: dict[str, npt.NDArray[Any]] = {}
    start = 0
    for name, shape in zip(_NAMES, shapes, strict=True):
        stop = start + shape[0] * shape[1]
        found[name] = np.asarray(numbers[start:stop]).reshape(shape)
        start = stop
    return {**found, "hashes": found["hashes"].view(np.uint8)}

"""Which rows of a list repeat the URL of an earlier one, found within a bounded memory.

Hashes of URLs are put into 256 files by their first byte, each of which is sorted by itself. What is known afterwards
are the repeats alone: the row, and the first row of that URL, in a file that is mapped into memory.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nemo_curator import storage

_ROW = np.dtype([("high", "<u8"), ("low", "<u8"), ("row", "<u8")])
_BUCKETS = 256
_PENDING = 1 << 18  # bytes of a bucket in memory


class Repeats:
    """The repeats of a list.

    Args:
        found: `(N, 2)` uint64, sorted by its first column: a row, and the first row of the same URL.
    """

    def __init__(self, found: npt.NDArray[Any]) -> None:
        self._found = found

    def __len__(self) -> int:
        return len(self._found)

    def between(self, start: int, stop: int) -> Mapping[int, int]:
        """Row to first row, for the repeats among some rows.

        Args:
            start: The first row.
            stop: The row behind the last one.
        """
        low, high = np.searchsorted(self._found[:, 0], [start, stop])
        return {int(row): int(first) for row, first in self._found[low:high]}


def find_repeats(urls: Iterable[tuple[int, str]], folder: str) -> npt.NDArray[np.uint64]:
    """The rows whose URL an earlier row has.

    Args:
        urls: Row and URL in its normal form; rows without a URL are left out.
        folder: An existing local folder, for files that are gone afterwards.

    Returns:
        `(N, 2)`, see `Repeats`.
    """
    pending = [bytearray() for _ in range(_BUCKETS)]
    paths = [Path(folder) / f"bucket-{at:02x}" for at in range(_BUCKETS)]
    try:
        for row, url in urls:
            digest = hashlib.blake2b(url.encode(), digest_size=16).digest()
            bucket = pending[digest[0]]
            bucket += digest + row.to_bytes(8, "little")
            if len(bucket) >= _PENDING:
                _append(paths[digest[0]], bucket)
        found = [_repeated(paths[at], pending[at]) for at in range(_BUCKETS)]
    finally:
        for path in paths:
            path.unlink(missing_ok=True)
    together = np.concatenate(found)
    return together[np.argsort(together[:, 0], kind="stable")]


def write_repeats(path: str, found: npt.NDArray[np.uint64]) -> None:
    """Keep the repeats of a list in a file.

    Args:
        path: Where, on this machine.
        found: See `Repeats`.

    Raises:
        StorageError: It cannot be written.
    """
    with storage.write_atomic(path) as file:
        np.save(file, found, allow_pickle=False)


def read_repeats(path: str) -> Repeats | None:
    """The repeats that a file keeps, mapped; None where there is no such file.

    Args:
        path: Where, on this machine.
    """
    try:
        mode: Any = "r" if os.path.getsize(path) > 256 else None  # noqa: PTH202  an empty array cannot be mapped
        found = np.load(path, mmap_mode=mode, allow_pickle=False)
    except (OSError, ValueError):
        return None
    return Repeats(found) if found.ndim == 2 and found.shape[1] == 2 else None


def _append(path: Path, data: bytearray) -> None:
    try:
        with path.open("ab") as file:
            file.write(data)
    except OSError as error:
        raise storage.storage_error(str(path), error) from error
    data.clear()


def _repeated(path: Path, pending: bytearray) -> npt.NDArray[np.uint64]:
    data = (path.read_bytes() if path.exists() else b"") + bytes(pending)
    rows = np.frombuffer(data, _ROW)
    rows = rows[np.lexsort((rows["row"], rows["low"], rows["high"]))]
    begins = np.ones(len(rows), bool)
    begins[1:] = (rows["high"][1:] != rows["high"][:-1]) | (rows["low"][1:] != rows["low"][:-1])
    first = np.maximum.accumulate(np.where(begins, np.arange(len(rows)), 0)) if len(rows) else np.zeros(0, int)
    later = np.flatnonzero(~begins)
    return np.stack([rows["row"][later], rows["row"][first[later]]], axis=1).astype(np.uint64).reshape(-1, 2)

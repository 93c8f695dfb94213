"""Memory that a worker fills with pictures or texts and the inference process reads.

It has no name, so that nothing is left of it however its holders end, and it never shrinks, so that reading it cannot
fail. A worker owns it and writes only while it waits for nothing; the inference process maps it to read.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nemo_curator.errors import ModelError
from nemo_curator.storage.refusal import storage_error

MOST_BYTES = 1 << 26
"""Bytes that are handed over at once; a larger batch goes in pieces, a larger picture or text alone."""

_LARGEST = 1 << 30  # bytes that the inference process maps for one worker


class HandedMemory:
    """A worker's end: room for a batch.

    Args:
        size: Bytes.

    Attributes:
        size: Bytes.
        descriptor: To be handed on.

    Raises:
        StorageError: The system has no room for it.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.descriptor = _make(size)
        try:
            self._map = mmap.mmap(self.descriptor, size)
        except OSError as error:
            os.close(self.descriptor)
            raise storage_error("memory shared with the inference process", error) from error

    def fill(self, pictures: Sequence[npt.NDArray[np.uint8]] | npt.NDArray[np.uint8]) -> None:
        """Put pictures of one shape there, one behind the other."""
        if not len(pictures):
            return
        shape = (len(pictures), *pictures[0].shape)
        room = np.frombuffer(self._map, np.uint8, count=int(np.prod(shape))).reshape(shape)
        for place, picture in zip(room, pictures, strict=True):
            place[...] = picture

    def write(self, raw: bytes) -> None:
        """Put bytes there."""
        self._map[: len(raw)] = raw

    def close(self) -> None:
        """Release it here; whoever mapped it keeps it."""
        os.close(self.descriptor)
        self._map.close()


def mapped(descriptor: int) -> mmap.mmap:
    """The inference process's end; the descriptor is closed.

    Raises:
        ModelError: It is larger than what anybody hands over.
    """
    try:
        size = os.fstat(descriptor).st_size
        if size > _LARGEST:
            raise ModelError(f"a worker hands over {size:,} bytes at once")
        return mmap.mmap(descriptor, size, prot=mmap.PROT_READ)
    finally:
        os.close(descriptor)


def _make(size: int) -> int:
    if sys.platform == "linux":  # memory, not a file: a full disk cannot take it away
        descriptor = os.memfd_create("imagecurator-batch", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    else:
        descriptor, path = tempfile.mkstemp(prefix="imagecurator-batch-")
        Path(path).unlink()
    try:
        os.truncate(descriptor, size)
        if sys.platform == "linux":
            fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW)
    except OSError as error:
        os.close(descriptor)
        raise storage_error("memory shared with the inference process", error) from error
    return descriptor

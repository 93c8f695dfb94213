"""Hash and length of a file as it is written, without reading it again."""

from __future__ import annotations

import hashlib
from typing import BinaryIO


class HashingFile:
    """A file that is written front to back and hashed on the way.

    Args:
        file: Where the bytes go.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self.size = 0
        self.closed = False

    def write(self, data: bytes) -> int:
        """Write and hash."""
        self._digest.update(data)
        self.size += len(memoryview(data).cast("B"))
        return self._file.write(data)

    def tell(self) -> int:
        """Bytes written so far."""
        return self.size

    def flush(self) -> None:
        """Flush the file below."""
        self._file.flush()

    def close(self) -> None:
        """Leave the file below open: who opened it closes it."""

    @property
    def sha256(self) -> str:
        """Hex digest of everything written."""
        return self._digest.hexdigest()

"""A hash of the records of a part: which bytes they are, and which of them cannot be read."""

from __future__ import annotations

import hashlib

import pyarrow as pa

COLUMNS = ("sha256", "error")
"""The columns that it is of."""


class RecordDigest:
    """Tables of a part in, in order; a hash out."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()

    def add(self, table: pa.Table) -> None:
        """Take in rows that follow those before.

        Args:
            table: With `COLUMNS` at least.
        """
        hashes, errors = (table[name].to_pylist() for name in COLUMNS)
        rows = [str(one) if error is None else "!" for one, error in zip(hashes, errors, strict=True)]
        self._digest.update("".join(f"{row}\n" for row in rows).encode())

    def value(self) -> str:
        """The hash, in hex."""
        return self._digest.hexdigest()

"""The layout of an MDS shard, version 2, as mosaicml-streaming reads it: what is in its head, and where samples lie.

All numbers are little endian. A file is the number of samples, one place more than that (each of 32 bits, the last is
the file's end), a JSON that names the columns, and the samples. A sample is the length of each value that has no fixed
one (32 bits), and then the values, in the order of the columns.

Source: the documentation "Dataset Format" of MosaicML Streaming 0.13.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

HASH = "sha256"
"""The hash of a shard that its index lists, by the name that `hashlib` has for it."""

MOST_BYTES = (1 << 32) - 1
"""Bytes of a shard at most: places have 32 bits."""


@dataclass(frozen=True, slots=True)
class MdsColumn:
    """One column.

    Attributes:
        name: Its name.
        encoding: What its values are, in the format's words.
        size: Bytes of every value; None where each has its own.
    """

    name: str
    encoding: str
    size: int | None = None


def described(columns: Sequence[MdsColumn]) -> dict[str, Any]:
    """What both the head of a shard and the index say of it: neither compression nor a limit is in it."""
    return {
        "column_encodings": [one.encoding for one in columns],
        "column_names": [one.name for one in columns],
        "column_sizes": [one.size for one in columns],
        "compression": None,
        "format": "mds",
        "hashes": [HASH],
        "size_limit": None,
        "version": 2,
    }


def head(columns: Sequence[MdsColumn]) -> bytes:
    """The JSON in the head of a shard."""
    return json.dumps(described(columns), sort_keys=True, ensure_ascii=False).encode()

"""One sample as it lies in a shard: an image with everything that belongs to it."""

from __future__ import annotations

from dataclasses import dataclass, field

from nemo_curator.kernels.source import Source

READING_VERSION = 2
"""Raised when the same input gives other records than before: other samples, keys, ids, captions or errors."""


@dataclass(slots=True)
class Sample:
    """One input record.

    Attributes:
        image_id: The id that follows the input through everything.
        source: Where its bytes lie.
        image: The primary image's encoded bytes; b"" when `error` is set.
        sidecars: Member name to bytes, for every other member, in source order.
        error: Error code when this input cannot be a sample, else "": `damaged_shard`, `incomplete`, `no_image`,
            `not_fetched`, `duplicate_member`, `unsupported_member` in shards (see `read_tar`, `read_parquet`),
            `not_an_image` for loose files, `over_limit` and `unreadable` for all.
        detail: One sentence on the error.
    """

    image_id: str
    source: Source
    image: bytes = b""
    sidecars: dict[str, bytes] = field(default_factory=dict)
    error: str = ""
    detail: str = ""

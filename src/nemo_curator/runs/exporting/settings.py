"""How the kept samples are written."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, get_args

from nemo_curator.codecs.rendition import Rendition

Format = Literal["webdataset", "folder", "parquet", "mds"]

ENDS: dict[str, str] = {"webdataset": ".tar", "folder": "/", "parquet": ".parquet", "mds": ".mds"}
"""Format to what the name of a shard ends in: what holds the bytes. Each has a Parquet beside it, or is one."""

_MOST_IN_MDS = 1 << 30  # bytes of members: places in a file have 32 bits there, and what is said of samples needs room


@dataclass(frozen=True, slots=True)
class ExportSettings:
    """How the kept samples are written.

    Attributes:
        format: `webdataset` (tars with a Parquet beside each), `folder` (folders of files instead of tars),
            `parquet` (one Parquet a shard that holds the bytes too) or `mds` (shards of MosaicML Streaming with a
            Parquet beside each).
        shard_size: Samples a shard holds; the last may hold fewer.
        shard_bytes: Bytes of members a shard holds at most, which counts instead of `shard_size` where it is given; a
            larger sample is alone. In `mds` it is never more than 1 GiB.
        shuffle: Seed of the order of the samples; source order where it is None.
        rendition: What images become; None for their own bytes.
    """

    format: Format = "webdataset"
    shard_size: int | None = 1000
    shard_bytes: int | None = None
    shuffle: int | None = None
    rendition: Rendition | None = None

    def __post_init__(self) -> None:
        if self.format not in get_args(Format):
            raise ValueError(f"{self.format!r} is no format; known: {', '.join(get_args(Format))}")
        limits = (self.shard_size, self.shard_bytes)
        if limits == (None, None) or any(limit is not None and limit < 1 for limit in limits):
            raise ValueError("a shard needs a size of at least 1, in samples or in bytes")

    @property
    def most_bytes(self) -> int | None:
        """Bytes of members a shard holds at most; None where there is no limit."""
        if self.format != "mds":
            return self.shard_bytes
        return min(self.shard_bytes or _MOST_IN_MDS, _MOST_IN_MDS)

    @property
    def facts(self) -> dict[str, Any]:
        """Everything here that decides which bytes are written."""
        plain = asdict(replace(self, rendition=None))
        plain.pop("rendition")  # so that an export of own bytes is the one that it was before there were others
        return plain if self.rendition is None else {**plain, "rendition": self.rendition.facts}

"""How the kept samples are written."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, get_args

from nemo_curator.codecs.rendition import Rendition

Format = Literal["webdataset", "folder", "parquet"]


@dataclass(frozen=True, slots=True)
class ExportSettings:
    """How the kept samples are written.

    Attributes:
        format: `webdataset` (tars with a Parquet beside each), `folder` (folders of files instead of tars) or
            `parquet` (one Parquet a shard that holds the bytes too).
        shard_size: Samples a shard holds; the last may hold fewer.
        shard_bytes: Bytes of members a shard holds at most, which counts instead of `shard_size` where it is given; a
            larger sample is alone.
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
    def facts(self) -> dict[str, Any]:
        """Everything here that decides which bytes are written."""
        plain = asdict(replace(self, rendition=None))
        plain.pop("rendition")  # so that an export of own bytes is the one that it was before there were others
        return plain if self.rendition is None else {**plain, "rendition": self.rendition.facts}

"""One image in play."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from nemo_curator.kernels.header import ImageHeader
from nemo_curator.kernels.source import Source
from nemo_curator.kernels.view import View
from nemo_curator.tasks.record import Record, Scalar

PASSING = {"passing": True}
"""Metadata of a field that is computed anew where it is missing, and so never stored."""


@dataclass(eq=False)
class ImageObject:
    """One image with all that is known about it.

    Attributes:
        image_path: Where it was read from: a path or URL; `<shard>#<member>` inside a tar.
        image_id: Its id, unique in a run.
        metadata: What the sidecar JSON says, and whatever a user's stage adds.
        image_data: `(H, W, 3)` uint8 RGB, upright, full size; None where no stage asked for the full picture.
        embedding: `(D,)` float32 of unit norm, or None.
        aesthetic_score: LAION aesthetic score, about 1 to 10, or None.
        nsfw_score: NSFW probability, 0 to 1, or None.
        encoded: The bytes as read; None for an image made from pixels, or after its pixels were replaced.
        header: What the first bytes say, or None.
        sidecars: Member name to bytes of everything that travels with the image.
        source: Where the bytes lie.
        views: The pictures cut for the stages that asked, `(h, w, 3)` uint8 each.
        derived: What stages computed of the views for one another, by name; never stored.
        scores: Column name to number, string, bool or None.
        truncated: Whether the file ends too early and was accepted all the same; None where it was not decoded.
        warnings: What parsers and decoders said about the file while it was read.

    Assigning `image_data` declares an edit: the encoded bytes and the views no longer show it, so they are cleared,
    and what was derived of them;
    a writer encodes the pixels, and views are cut of them anew. Assigning None only frees memory. Edits made inside
    the array are found by `edited_in_place`.
    """

    image_path: str = ""
    image_id: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)
    image_data: npt.NDArray[Any] | None = None
    embedding: npt.NDArray[np.float32] | None = None
    aesthetic_score: float | None = None
    nsfw_score: float | None = None
    encoded: bytes | None = None
    header: ImageHeader | None = None
    sidecars: dict[str, bytes] = field(default_factory=dict)
    source: Source = field(default_factory=Source)
    views: dict[View, npt.NDArray[np.uint8]] = field(default_factory=dict)
    derived: dict[str, Any] = field(default_factory=dict, repr=False, metadata=PASSING)
    scores: dict[str, Scalar] = field(default_factory=dict)
    truncated: bool | None = None
    warnings: tuple[str, ...] = ()
    _pixels_crc: int | None = field(default=None, repr=False)

    def __setattr__(self, name: str, value: object) -> None:
        """Set an attribute; new pixels make the encoded bytes and the views stale."""
        # both follow `image_data` in the fields, so construction sets all without clearing any
        if name == "image_data" and value is not None and "derived" in self.__dict__:
            object.__setattr__(self, "encoded", None)
            object.__setattr__(self, "views", {})
            object.__setattr__(self, "derived", {})
        object.__setattr__(self, name, value)

    def attach_pixels(self, pixels: npt.NDArray[np.uint8]) -> None:
        """Set `image_data` to what `encoded` decodes to; the bytes stay good."""
        object.__setattr__(self, "image_data", pixels)
        object.__setattr__(self, "_pixels_crc", _crc(pixels))

    def edited_in_place(self) -> bool:
        """Whether the pixels are no longer the ones that `attach_pixels` was given."""
        if self.image_data is None or self._pixels_crc is None:
            return False
        return _crc(self.image_data) != self._pixels_crc

    def rejected(
        self,
        *,
        stage: str,
        rule: str = "",
        score: float | None = None,
        threshold: float | None = None,
        detail: str = "",
    ) -> Record:
        """The record of this image rejected by a rule."""
        return Record(
            self.image_id,
            "reject",
            stage,
            rule=rule or stage,
            score=score,
            threshold=threshold,
            detail=detail,
            source=self.source,
            header=self.header,
            scores=dict(self.scores),
            sidecars=self.sidecars,
            metadata=self.metadata,
            truncated=self.truncated,
            warnings=self.warnings,
        )

    def quarantined(self, *, stage: str, code: str, detail: str) -> Record:
        """The record of this image put aside because of an error."""
        return Record(
            self.image_id,
            "quarantine",
            stage,
            code=code,
            detail=detail,
            source=self.source,
            header=self.header,
            scores=dict(self.scores),
            sidecars=self.sidecars,
            metadata=self.metadata,
            truncated=self.truncated,
            warnings=self.warnings,
        )


def _crc(pixels: npt.NDArray[Any]) -> int:
    return zlib.crc32(np.ascontiguousarray(pixels).data)

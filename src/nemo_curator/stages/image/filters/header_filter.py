"""What an image's first bytes say, as scores: no pixel is decoded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from nemo_curator.codecs.probe import probe
from nemo_curator.kernels.header import ImageHeader
from nemo_curator.kernels.sniff import is_mislabelled
from nemo_curator.stages.declarations import Column, Cost, Needs
from nemo_curator.stages.image.filters.base import BaseFilterStage
from nemo_curator.tasks import ImageObject


@dataclass
class ImageHeaderFilterStage(BaseFilterStage):
    """Keeps images whose shorter side is at least the threshold, in pixels."""

    score_threshold: float = 64.0
    _name: str = "header"

    columns: ClassVar[tuple[Column, ...]] = (
        Column("min_side", "int", "pixels", meaning="Shorter side, upright"),
        Column("aspect", "float", "", meaning="Longer side divided by the shorter one"),
        Column("pixels", "int", "pixels", meaning="Width times height"),
        Column("bits_per_pixel", "float", "bits", meaning="Bits of the encoded image for each pixel"),
        Column("mislabelled", "bool", meaning="Whether the name's extension belongs to another format than the bytes"),
    )
    cost: ClassVar[Cost] = Cost.HEADER
    keep: ClassVar[Literal["below", "at_or_above"]] = "at_or_above"

    def needs(self) -> Needs:
        """The header, which every reader provides, and the length of the bytes."""
        return Needs(encoded=True)

    def score(self, images: list[ImageObject]) -> dict[str, npt.NDArray[Any]]:
        """The columns, from each image's header."""
        headers = [_header(image) for image in images]
        lengths = [len(image.encoded or b"") for image in images]
        pixels = np.array([header.pixels for header in headers], np.int64)
        sides = np.array([header.upright_size for header in headers], np.int64)
        return {
            "min_side": sides.min(axis=1),
            "aspect": sides.max(axis=1) / sides.min(axis=1),
            "pixels": pixels,
            "bits_per_pixel": 8.0 * np.array(lengths) / pixels,
            "mislabelled": np.array([_is_mislabelled(image, one) for image, one in zip(images, headers, strict=True)]),
        }


def _header(image: ImageObject) -> ImageHeader:
    """The header as read; that of an image made from pixels, or of one whose pixels were replaced, is its shape."""
    if image.encoded is None and image.image_data is not None:
        height, width = image.image_data.shape[:2]
        return ImageHeader("", width, height)
    if image.header is not None:
        return image.header
    if image.encoded is None:
        raise ValueError(f"image {image.image_id!r} has neither bytes nor pixels")
    return probe(image.encoded)


def _is_mislabelled(image: ImageObject, header: ImageHeader) -> bool:
    """Of an image without bytes no name is wrong."""
    source = image.source
    name = source.members[source.primary].name if source.primary >= 0 else image.image_path
    return bool(header.format) and is_mislabelled(name, header.format)

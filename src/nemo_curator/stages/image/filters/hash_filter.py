"""Hashes that an image is known by elsewhere: MD5 of its bytes, PDQ of what it shows."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from nemo_curator.codecs.probe import probe
from nemo_curator.kernels.pdq import PdqHash, Spectrum, spectrum
from nemo_curator.stages.declarations import Column, Cost, Needs
from nemo_curator.stages.image.filters.base import BaseFilterStage
from nemo_curator.stages.image.statistics import STATISTICS_VIEW, once, statistics_rgb
from nemo_curator.tasks import ImageObject


@dataclass
class ImageHashFilterStage(BaseFilterStage):
    """Records the MD5 and the PDQ hash; keeps images whose PDQ quality is at least the threshold."""

    score_threshold: float = 50.0
    _name: str = "hashes"

    columns: ClassVar[tuple[Column, ...]] = (
        Column(
            "pdq_quality",
            "int",
            range=(0, 100),
            meaning="How much there is to tell the picture by; below 50 its PDQ hash is not reliable",
        ),
        Column("md5", "string", meaning="MD5 of the encoded image, in hex; NULL for an image made from pixels"),
        Column("pdq", "string", meaning="PDQ hash of the picture, 64 hex digits; all 0 where it has no structure"),
    )
    cost: ClassVar[Cost] = Cost.STATISTICS
    keep: ClassVar[Literal["below", "at_or_above"]] = "at_or_above"

    def needs(self) -> Needs:
        """The statistics view, and the bytes."""
        return Needs(views=(STATISTICS_VIEW,), encoded=True)

    def score(self, images: list[ImageObject]) -> dict[str, npt.NDArray[Any]]:
        """The columns; see `kernels.pdq`."""
        hashes = [pdq_of(image) for image in images]
        return {
            "pdq_quality": np.array([one.quality for one in hashes], np.int64),
            "md5": np.array([md5_of(image) for image in images], object),
            "pdq": np.array([one.hex for one in hashes], object),
        }


def pdq_of(image: ImageObject) -> PdqHash:
    """The PDQ hash of an image, upright; computed once an image."""
    return once(image, "pdq", lambda: PdqHash.of(*spectrum_of(image)))


def spectrum_of(image: ImageObject) -> tuple[Spectrum, int]:
    """What the PDQ hash of an image is made of, and its quality; computed once an image."""
    return once(image, "pdq_spectrum", lambda: spectrum(statistics_rgb(image), full_size(image)))


def md5_of(image: ImageObject) -> str | None:
    """The MD5 of an image's bytes in hex; None where it has none."""
    return None if image.encoded is None else hashlib.md5(image.encoded, usedforsecurity=False).hexdigest()


def full_size(image: ImageObject) -> tuple[int, int]:
    """(width, height) of the full picture, which the statistics view was cut from."""
    if image.image_data is not None:
        return int(image.image_data.shape[1]), int(image.image_data.shape[0])
    if image.header is not None:
        return image.header.upright_size
    if image.encoded is not None:
        return probe(image.encoded).upright_size
    height, width = statistics_rgb(image).shape[:2]
    return width, height

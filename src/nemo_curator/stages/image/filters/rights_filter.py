"""What an image file says about who may use it and where it comes from, as scores: no pixel is decoded."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from nemo_curator.codecs.rights.reading import read_rights
from nemo_curator.codecs.rights.statement import Rights, joined
from nemo_curator.stages.declarations import Column, Cost, Needs
from nemo_curator.stages.image.filters.base import BaseFilterStage
from nemo_curator.tasks import ImageObject

_MARKS = {True: "true", False: "false", None: None}


@dataclass
class ImageRightsFilterStage(BaseFilterStage):
    """Keeps images that nothing in their file, or in an `.xmp` or `.c2pa` sidecar, reserves against mining or training.

    The threshold lies between false and true.
    """

    score_threshold: float = 0.5
    _name: str = "rights"

    columns: ClassVar[tuple[Column, ...]] = (
        Column(
            "ai_opt_out", "bool", meaning="Whether any field reserves it against text and data mining or AI training"
        ),
        Column("ai_opt_out_by", "string", meaning="The fields that reserve it, with their values"),
        Column("ai_opt_out_terms", "string", meaning="Where a reservation says more: a policy's address, constraints"),
        Column("copyright", "string", meaning="Copyright notice"),
        Column("creator", "string", meaning="Who made it, as the file says"),
        Column("credit", "string", meaning="Whom to credit"),
        Column("licence", "string", meaning="Addresses and terms of licences"),
        Column("rights_marked", "string", meaning="`true` where it is marked as under copyright, `false` as not"),
        Column("ai_generated", "bool", meaning="Whether any field says that a generative model made it, or part of it"),
        Column("ai_generated_by", "string", meaning="The fields that say so, with their values"),
        Column("has_c2pa", "bool", meaning="Whether a C2PA manifest store is there; its signatures are not checked"),
    )
    cost: ClassVar[Cost] = Cost.HEADER

    def needs(self) -> Needs:
        """The bytes of the file, and the sidecars: a packet of XMP may lie beside it."""
        return Needs(encoded=True, sidecars=True)

    def score(self, images: list[ImageObject]) -> dict[str, npt.NDArray[Any]]:
        """The columns; a text that is not there is None. An image without bytes has what its sidecars say."""
        found = [_read(image) for image in images]
        return {
            "ai_opt_out": np.array([rights.ai_opt_out for rights in found], np.bool_),
            "ai_opt_out_by": _objects(joined(rights.opt_out_by) or None for rights in found),
            "ai_opt_out_terms": _objects(rights.opt_out_terms or None for rights in found),
            "copyright": _objects(rights.copyright or None for rights in found),
            "creator": _objects(rights.creator or None for rights in found),
            "credit": _objects(rights.credit or None for rights in found),
            "licence": _objects(rights.licence or None for rights in found),
            "rights_marked": _objects(_MARKS[rights.marked] for rights in found),
            "ai_generated": np.array([rights.ai_generated for rights in found], np.bool_),
            "ai_generated_by": _objects(joined(rights.generated_by) or None for rights in found),
            "has_c2pa": np.array([rights.has_c2pa for rights in found], np.bool_),
        }


def _read(image: ImageObject) -> Rights:
    """Of the bytes as they came; the header says their format, where there is one."""
    image_format = image.header.format if image.header is not None else None
    return read_rights(image.encoded or b"", image_format, image.sidecars)


def _objects(values: Iterable[Any]) -> npt.NDArray[Any]:
    """`(N,)` objects; NumPy would make texts of equal lengths of them, and of None a word."""
    listed = list(values)
    array = np.empty(len(listed), object)
    array[:] = listed
    return array

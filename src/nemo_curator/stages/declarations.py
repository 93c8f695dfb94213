"""What a stage declares about itself, so that a planner can do no more work than needed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

from nemo_curator.kernels.view import View

ColumnType = Literal["float", "int", "bool", "string"]


class Cost(IntEnum):
    """Cost class of a stage; a planner runs cheaper classes first."""

    HEADER = 0
    STATISTICS = 1
    MODEL = 2


@dataclass(frozen=True, slots=True)
class Column:
    """A score that a stage records for every image.

    Attributes:
        name: Column name, as rules use it.
        type: `float`, `int`, `bool` or `string`.
        unit: Unit, or "" for a plain number.
        range: Smallest and largest possible value, where there are such.
        meaning: One sentence.
    """

    name: str
    type: ColumnType = "float"
    unit: str = ""
    range: tuple[float, float] | None = None
    meaning: str = ""


@dataclass(frozen=True, slots=True)
class Needs:
    """What a stage needs of every image.

    Attributes:
        views: Small pictures to cut from the one decode.
        pixels: The full picture in `image_data`.
        embedding: The embedding.
        embedding_of: Names of the embedding models of which one must have made it; empty takes those of any.
        encoded: The bytes of the file, as they came.
        caption: The caption.
        sidecars: Everything else that travels with the image.
        returns_images: False for a stage that ends the images' way (a writer, a conversion to rows).
    """

    views: tuple[View, ...] = ()
    pixels: bool = False
    embedding: bool = False
    embedding_of: frozenset[str] = frozenset()
    encoded: bool = False
    caption: bool = False
    sidecars: bool = False
    returns_images: bool = True

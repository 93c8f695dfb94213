"""What a user may choose about decoding; every choice is part of what a score depends on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from PIL import ImageColor

Truncated = Literal["quarantine", "accept"]


@dataclass(frozen=True, slots=True)
class DecodeOptions:
    """How pixels are made where there is more than one right way.

    Attributes:
        background: Red, green and blue (0 to 255) of what shows through transparent pixels; white, as paper and most
            viewers have it.
        truncated: What becomes of a JPEG that ends too early: `quarantine`, or `accept` what is there (the rest is
            grey, and the picture says that it is truncated).
        fast: Whether a JPEG is decoded by its decoder's own reduction, to a shorter side of at least
            `views.FAST_SIDE` pixels, for the views that are small enough; several times faster for large photos, and
            softer than the reference.
    """

    background: tuple[int, int, int] = (255, 255, 255)
    truncated: Truncated = "quarantine"
    fast: bool = False


DEFAULT_OPTIONS = DecodeOptions()


def colour_of(text: str) -> tuple[int, int, int]:
    """Red, green and blue, 0 to 255, of a colour name of CSS (`white`) or a number (`#rrggbb`).

    Raises:
        ValueError: The text names no opaque colour.
    """
    try:
        red, green, blue, *alpha = ImageColor.getrgb(text)
    except ValueError:
        alpha = [0]
    if alpha:
        raise ValueError(f"{text!r} is no colour; write a name such as white, or #rrggbb")
    return red, green, blue

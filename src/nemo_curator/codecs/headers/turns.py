"""Rotation, mirror and crop boxes, as one EXIF orientation of a stored picture.

Source: ISO/IEC 23008-12, sections 6.5.9 (clap), 6.5.10 (irot) and 6.5.12 (imir).
"""

from __future__ import annotations

import math
import struct
from fractions import Fraction

TRANSFORMS = frozenset({b"clap", b"irot", b"imir"})
"""Types of the boxes that say how a picture is placed."""

# orientation -> the orientation after a further quarter turn counter-clockwise, and after a mirror left to right
_QUARTER = {1: 8, 8: 3, 3: 6, 6: 1, 2: 5, 5: 4, 4: 7, 7: 2}
_MIRROR = {1: 2, 2: 1, 3: 4, 4: 3, 5: 6, 6: 5, 7: 8, 8: 7}


def exif_of_avif(values: dict[bytes, int]) -> int:
    """The EXIF orientation of AVIF's boxes: rotation comes first and mirror second, wherever they stand.

    Args:
        values: The byte of the `irot` and of the `imir` box, where they are there.

    Returns:
        1 to 8.
    """
    orientation = 1
    for kind in (b"irot", b"imir"):
        if kind in values:
            orientation = _after(orientation, kind, values[kind])
    return orientation


class Placement:
    """How a decoded picture comes to be shown, one box after the other.

    Attributes:
        width: In pixels, after what was applied.
        height: In pixels, after what was applied.
        orientation: EXIF orientation of what was applied.
    """

    __slots__ = ("height", "orientation", "width")

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height, self.orientation = width, height, 1

    def apply(self, kind: bytes, content: bytes) -> None:
        """Apply a property; those that do not transform the picture change nothing.

        Args:
            kind: Type of the box.
            content: Its content.
        """
        if kind == b"clap" and len(content) >= 32:
            self._crop(*struct.unpack_from(">IIIIiIiI", content))
        elif kind in {b"irot", b"imir"} and content:
            self.orientation = _after(self.orientation, kind, content[0])
            if kind == b"irot" and content[0] & 1:
                self.width, self.height = self.height, self.width

    def stored(self) -> tuple[int, int, int]:
        """(width, height, orientation), the size as it is before the orientation."""
        if self.orientation >= 5:
            return self.height, self.width, self.orientation
        return self.width, self.height, self.orientation

    def _crop(self, *fractions: int) -> None:
        """To a clean aperture: width, height, and how far its centre lies right of and below that of the picture."""
        if all(fractions[1::2]):
            width, height, across, down = (Fraction(*fractions[at : at + 2]) for at in range(0, 8, 2))
            self.width, self.height = _kept(self.width, width, across), _kept(self.height, height, down)


def _kept(side: int, aperture: Fraction, offset: Fraction) -> int:
    """Pixels of a side that lie in the aperture and in the picture, rounded as libheif rounds them."""
    first = math.floor(offset + Fraction(side - 1, 2) - (aperture - 1) / 2)
    last = math.floor(aperture - 1 + first + Fraction(1, 2))
    kept = min(last, side - 1) - max(first, 0) + 1
    return kept if kept > 0 else side  # none at all: the decoder refuses it


def _after(orientation: int, kind: bytes, value: int) -> int:
    if kind == b"irot":
        for _ in range(value & 3):
            orientation = _QUARTER[orientation]
        return orientation
    mirrored = _MIRROR[orientation]
    return mirrored if value & 1 else _QUARTER[_QUARTER[mirrored]]  # a mirror top to bottom is that and half a turn

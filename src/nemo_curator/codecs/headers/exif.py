"""The orientation of a picture, from EXIF or XMP bytes.

Source: CIPA DC-008 (Exif 2.32), tag 0x0112; TIFF 6.0 section 2 for the layout; XMP `tiff:Orientation`.
"""

from __future__ import annotations

import re
import struct

_ORIENTATION = 0x0112
_MOST_ENTRIES = 1000  # a real IFD has a few dozen
# value types that writers use for it: BYTE, SHORT, LONG
_TYPES = {1: "B", 3: "H", 4: "I"}
_XMP = re.compile(rb"tiff:Orientation(?:\s*=\s*[\"']|>)\s*([1-8])")


def exif_orientation(exif: bytes) -> int | None:
    """The orientation in an EXIF block.

    Args:
        exif: The TIFF structure, with or without the `Exif` prefix that JPEG puts before it.

    Returns:
        1 to 8, or None where there is none, or it is not valid.
    """
    tiff = exif[6:] if exif.startswith(b"Exif\0") else exif
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None or len(tiff) < 14:
        return None
    (start,) = struct.unpack_from(order + "I", tiff, 4)
    if start + 2 > len(tiff):
        return None
    (count,) = struct.unpack_from(order + "H", tiff, start)
    last = min(start + 2 + 12 * min(count, _MOST_ENTRIES), len(tiff)) - 12
    for at in range(start + 2, last + 1, 12):
        tag, kind, values = struct.unpack_from(order + "HHI", tiff, at)
        if tag == _ORIENTATION:
            letter = _TYPES.get(kind)
            if letter is None or values != 1:
                return None
            (value,) = struct.unpack_from(order + letter, tiff, at + 8)
            return value if 1 <= value <= 8 else None
    return None


def xmp_orientation(xmp: bytes) -> int | None:
    """The orientation in an XMP packet: consulted only where EXIF has none, as Pillow does.

    Args:
        xmp: The packet.

    Returns:
        1 to 8, or None.
    """
    found = _XMP.search(xmp)
    return int(found[1]) if found else None

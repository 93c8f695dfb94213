"""The chunks of a PNG: what Pillow's lazy open does not tell.

Source: W3C PNG (third edition), section 5; section 13.2 asks decoders to check the CRC.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from nemo_curator.codecs.headers.exif import exif_orientation
from nemo_curator.errors import DecodeError

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_CRITICAL = frozenset({b"IHDR", b"PLTE", b"IDAT"})


def late_orientation(data: bytes) -> int | None:
    """The orientation of an eXIf chunk anywhere in the file; Pillow sees one behind the pixels only after decoding.

    Args:
        data: The file.

    Returns:
        1 to 8, or None.
    """
    if b"eXIf" not in data:  # a fast search spares nearly every file the walk
        return None
    for name, at, length in _chunks(data):
        if name == b"eXIf":
            return exif_orientation(data[at : at + length])
    return None


def verify_pixels(data: bytes) -> None:
    """Refuse a PNG whose pixels, palette or header are damaged; Pillow does not check the pixels' CRC.

    Args:
        data: The file.

    Raises:
        DecodeError: A chunk's CRC does not match, or the file ends inside a chunk.
    """
    view = memoryview(data)
    for name, at, length in _chunks(data):
        if name in _CRITICAL:
            if at + length + 4 > len(data):
                raise DecodeError(f"the PNG is truncated inside its {name.decode()} chunk")
            stored = int.from_bytes(data[at + length : at + length + 4], "big")
            if zlib.crc32(view[at - 4 : at + length]) != stored:
                raise DecodeError(f"the PNG is damaged: wrong CRC in its {name.decode()} chunk")


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    at = 8
    while at + 8 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        name = data[at + 4 : at + 8]
        yield name, at + 8, length
        if name == b"IEND":
            return
        at += 12 + length


def largest_embedded(data: bytes) -> tuple[int, int] | None:
    """(width, height) in pixels of the largest PNG inside a container (icons), or None where there is none.

    Args:
        data: The container.
    """
    sizes = []
    at = data.find(_SIGNATURE)
    while 0 <= at <= len(data) - 24:
        sizes.append((int.from_bytes(data[at + 16 : at + 20], "big"), int.from_bytes(data[at + 20 : at + 24], "big")))
        at = data.find(_SIGNATURE, at + 8)
    return max(sizes, key=lambda size: size[0] * size[1], default=None)

"""The markers of a JPEG up to its first scan: size, components, orientation, in some 10 µs.

Source: ITU-T T.81, annex B.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from nemo_curator.codecs.headers.exif import exif_orientation, xmp_orientation
from nemo_curator.errors import DecodeError

# start-of-frame markers: C0 to CF without DHT (C4), JPG (C8) and DAC (CC)
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_ALONE = frozenset({0x00, 0x01, *range(0xD0, 0xD9)})  # a stuffed byte, TEM, RSTn, SOI: no length follows
_LAST = frozenset({0xD9, 0xDA})  # EOI, SOS
_APP1 = 0xE1
_MOST_SEGMENTS = 10_000  # a file of empty segments must not keep us busy
_XMP = b"http://ns.adobe.com/xap/1.0/\0"


@dataclass(frozen=True, slots=True)
class JpegFacts:
    """What the markers say.

    Attributes:
        width: Stored width in pixels.
        height: Stored height in pixels.
        components: Number of colour components: 1 grey, 3 colour, 4 CMYK or YCCK.
        frame: The start-of-frame marker: 0xC0 baseline, 0xC2 progressive, 0xC9 and above arithmetic.
        orientation: EXIF orientation, 1 to 8.
    """

    width: int
    height: int
    components: int
    frame: int
    orientation: int


def read_markers(data: bytes) -> JpegFacts:
    """Walk the markers until the first scan.

    Args:
        data: The file.

    Returns:
        Its facts.

    Raises:
        DecodeError: There is no complete frame header before the first scan or the end.
    """
    frame: tuple[int, int, int, int] | None = None
    exif = xmp = b""
    for marker, body in _segments(data):
        if marker in _FRAMES and frame is None and len(body) >= 6:
            height, width = int.from_bytes(body[1:3], "big"), int.from_bytes(body[3:5], "big")
            frame = marker, width, height, body[5]
        elif marker == _APP1:
            exif = exif or (body if body.startswith(b"Exif\0") else b"")
            xmp = xmp or (body if body.startswith(_XMP) else b"")
    if frame is None:
        raise DecodeError("the JPEG ends, or its picture begins, before its size is given")
    orientation = exif_orientation(exif) or xmp_orientation(xmp) or 1
    marker, width, height, components = frame
    return JpegFacts(width, height, components, marker, orientation)


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(marker, body) of every segment that has a body, until the first scan."""
    at = 2
    for _ in range(_MOST_SEGMENTS):
        at = data.find(b"\xff", at)  # decoders skip stray bytes between segments, and so do we
        while 0 <= at < len(data) - 1 and data[at + 1] == 0xFF:
            at += 1
        if at < 0 or at + 4 > len(data):
            return
        marker = data[at + 1]
        if marker in _ALONE:
            at += 2
            continue
        if marker in _LAST:
            return
        length = max(data[at + 2] << 8 | data[at + 3], 2)
        yield marker, data[at + 4 : at + 2 + length]
        at += 2 + length

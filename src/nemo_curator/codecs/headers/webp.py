"""The chunks of a WebP: size, alpha, frames, orientation.

Pillow's own plugin makes its decoder, with a canvas in memory, as soon as a file is opened; limits come first here.

Source: RFC 9649.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from nemo_curator.codecs.headers.exif import exif_orientation, xmp_orientation
from nemo_curator.errors import DecodeError

_ALPHA = 0x10  # flag in VP8X


@dataclass(frozen=True, slots=True)
class WebpFacts:
    """What the chunks say: canvas size in pixels, `RGB` or `RGBA`, number of frames, EXIF orientation 1 to 8."""

    width: int
    height: int
    mode: str
    frames: int
    orientation: int


def read_chunks(data: bytes, most_frames: int) -> WebpFacts:
    """Walk the chunks without decoding.

    Args:
        data: The file.
        most_frames: Where to stop counting frames.

    Returns:
        Its facts.

    Raises:
        DecodeError: There is no chunk with a picture size.
    """
    size: tuple[int, int, bool] | None = None
    frames = 0
    orientation: int | None = None
    for name, at, length in _chunks(data):
        if name in {b"VP8X", b"VP8 ", b"VP8L"} and size is None:
            size = _size(name, data[at : at + 10])
        elif name == b"ANMF":
            frames += 1
            if frames >= most_frames:
                break
        elif name == b"EXIF":
            orientation = exif_orientation(data[at : at + length]) or orientation
        elif name == b"XMP " and orientation is None:
            orientation = xmp_orientation(data[at : at + length])
    if size is None:
        raise DecodeError("the WebP ends before its size is given")
    width, height, alpha = size
    return WebpFacts(width, height, "RGBA" if alpha else "RGB", max(frames, 1), orientation or 1)


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    at = 12
    while at + 8 <= len(data):
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        yield data[at : at + 4], at + 8, length
        at += 8 + length + (length & 1)


def _size(name: bytes, body: bytes) -> tuple[int, int, bool] | None:
    """(width, height, has alpha) from the first 10 bytes of a picture chunk; None where they do not fit."""
    if len(body) < 10:
        return None
    if name == b"VP8X":
        width, height = (int.from_bytes(body[i : i + 3], "little") + 1 for i in (4, 7))
        return width, height, bool(body[0] & _ALPHA)
    if name == b"VP8L" and body[0] == 0x2F:
        bits = int.from_bytes(body[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, bool(bits >> 28 & 1)
    if name == b"VP8 " and body[3:6] == b"\x9d\x01\x2a":
        width, height = (int.from_bytes(body[i : i + 2], "little") & 0x3FFF for i in (6, 8))
        return width, height, False
    return None

"""The chunks of a WebP: size, alpha, frames, metadata.

Pillow's own plugin makes its decoder, with a canvas in memory, as soon as a file is opened; limits come first here.

Source: RFC 9649.
"""

from __future__ import annotations

from collections.abc import Iterator

from nemo_curator.codecs.headers.metadata import Blocks, said_by
from nemo_curator.errors import DecodeError
from nemo_curator.kernels.header import ImageHeader

_ALPHA = 0x10  # flag in VP8X
_MOST_OTHERS = 10_000  # chunks that are no frames
_PICTURES = frozenset({b"VP8X", b"VP8 ", b"VP8L"})
_MOST_BYTES = 1 << 20  # of one block of metadata


def read_webp(data: bytes, name: str, most_frames: int) -> ImageHeader:
    """Walk the chunks without decoding.

    Args:
        data: The file.
        name: Its format, for the header.
        most_frames: Where to stop counting frames.

    Returns:
        Its header; the size is that of the canvas.

    Raises:
        DecodeError: There is no chunk with a picture size.
    """
    size: tuple[int, int, bool] | None = None
    frames = 0
    blocks = Blocks()
    for kind, at, length in chunks(data, _MOST_OTHERS + most_frames):
        if kind in _PICTURES:
            size = size or _size(kind, data[at : at + 10])
        elif kind == b"ANMF":
            frames += 1
            if frames >= most_frames:
                break
        elif kind == b"EXIF":
            blocks.exif = data[at : at + min(length, _MOST_BYTES)] or blocks.exif
        elif kind == b"XMP ":
            blocks.xmp = blocks.xmp or data[at : at + min(length, _MOST_BYTES)]
        elif kind == b"ICCP":
            blocks.has_icc = length > 0
    if size is None:
        raise DecodeError("the WebP ends before its size is given")
    width, height, alpha = size
    said = said_by(blocks)
    return ImageHeader(
        name,
        width,
        height,
        "RGBA" if alpha else "RGB",
        max(frames, 1),
        said.orientation,
        8,
        blocks.has_icc,
        said.caption,
    )


def chunks(data: bytes, most: int) -> Iterator[tuple[bytes, int, int]]:
    """The chunks of the file, one after the other.

    Args:
        data: The file.
        most: How many at most.

    Yields:
        (name, start, length) of each one's content, which may be longer than the file.
    """
    at = 12
    for _ in range(most):
        if at + 8 > len(data):
            return
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

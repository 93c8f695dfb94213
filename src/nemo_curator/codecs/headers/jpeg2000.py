"""JPEG 2000: the boxes of a JP2, or the first marker of a bare codestream.

Source: ISO/IEC 15444-1, annexes A.5.1 (SIZ) and I.5 (JP2 boxes); ISO/IEC 15444-2, annex M (JPX).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from nemo_curator.codecs.headers.boxes import boxes
from nemo_curator.codecs.headers.metadata import Blocks, said_by
from nemo_curator.errors import DecodeError
from nemo_curator.kernels.header import ImageHeader

_CODESTREAM = b"\xff\x4f\xff\x51"
_MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
_VARIES = 255  # the depth differs from channel to channel
_ENUMERATED, _BILEVEL, _CMYK, _GREY = 1, {0, 15}, 12, 17
_ICC_METHODS = {2, 3}
_XMP = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
_EXIF = b"JpgTiffExif->JP2"
_IPTC = bytes.fromhex("33c7a4d2b81d4723a0baf1a3e097ad38")
_MOST_BYTES = 1 << 20  # of one block of metadata


@dataclass(slots=True)
class _Colour:
    """What the boxes of a JP2 header say about colour."""

    mode: str = ""
    depth: int = 8
    space: str = ""
    has_icc: bool = False


def read_jpeg2000(data: bytes, name: str, _most_frames: int) -> ImageHeader:
    """The header of a JP2, a JPX or a bare codestream.

    Its metadata is read for captions only: no decoder here turns such a picture, and neither does Pillow.

    Args:
        data: The file.
        name: Its format, for the header.

    Raises:
        DecodeError: The header is cut or missing, or it has channels of a number that no colour model has.
    """
    if data.startswith(_CODESTREAM):
        return _codestream(data, name)
    blocks = Blocks()
    header: tuple[int, int] | None = None
    stream = 0
    for kind, at, end in boxes(data, 0, len(data)):
        if kind == b"jp2h":
            header = header or (at, end)
        elif kind == b"jp2c" and not stream:
            stream = _stream_depth(data, at)
        elif kind == b"uuid":
            keep_uuid(blocks, data, at, end)
        elif kind == b"xml " and b"<x:xmpmeta" in data[at : at + 512]:
            blocks.xmp = blocks.xmp or data[at : min(end, at + _MOST_BYTES)]
    if header is None:
        raise DecodeError("the JPEG 2000 ends before its header box")
    width, height, colour = _jp2_header(data, *header)
    caption = said_by(blocks).caption
    depth = max(colour.depth, stream)  # the decoder goes by the stream, whatever the box says
    return ImageHeader(name, width, height, colour.mode, 1, 1, depth, colour.has_icc, caption)


def _stream_depth(data: bytes, at: int) -> int:
    """Bits of the deepest of the first channels of a codestream; 0 where there is none."""
    if not data.startswith(_CODESTREAM, at) or len(data) < at + 43:
        return 0
    channels = min(int.from_bytes(data[at + 40 : at + 42], "big"), 4)
    return max((part & 0x7F) + 1 for part in data[at + 42 : at + 42 + 3 * max(channels, 1) : 3])


def _codestream(data: bytes, name: str) -> ImageHeader:
    if len(data) < 43:
        raise DecodeError("the JPEG 2000 ends inside its header")
    right, bottom, left, top = struct.unpack_from(">IIII", data, 8)
    (channels,) = struct.unpack_from(">H", data, 40)
    depth = _stream_depth(data, 0)
    return ImageHeader(name, right - left, bottom - top, _mode(channels, depth), bit_depth=depth)


def _mode(channels: int, depth: int) -> str:
    mode = _MODES.get(channels)
    if mode is None:
        raise DecodeError(f"the JPEG 2000 has {channels} channels; 1 to 4 are known")
    return "I;16" if mode == "L" and depth > 8 else mode


def _jp2_header(data: bytes, start: int, end: int) -> tuple[int, int, _Colour]:
    size: tuple[int, int] | None = None
    colour = _Colour()
    for kind, at, stop in boxes(data, start, end):
        if kind == b"ihdr" and stop - at >= 11 and size is None:
            height, width, channels, bits = struct.unpack_from(">IIHB", data, at)
            size = width, height
            colour.depth = 8 if bits == _VARIES else (bits & 0x7F) + 1
            colour.mode = _mode(channels, colour.depth)
        elif kind == b"bpcc" and stop > at:
            colour.depth = max(bits & 0x7F for bits in data[at : min(stop, at + 4)]) + 1
            if colour.mode == "L" and colour.depth > 8:
                colour.mode = "I;16"
        elif kind == b"colr" and stop - at >= 3:
            _read_colour(colour, data, at, stop)
        elif kind == b"pclr" and stop - at >= 4:
            _read_palette(colour, data, at, stop)
    if size is None:
        raise DecodeError("the header box of the JPEG 2000 gives no size")
    return *size, colour


def _read_colour(colour: _Colour, data: bytes, start: int, end: int) -> None:
    method = data[start]
    colour.has_icc = colour.has_icc or method in _ICC_METHODS
    if method != _ENUMERATED or end - start < 7:
        return
    (space,) = struct.unpack_from(">I", data, start + 3)
    if space in _BILEVEL:
        colour.space = "1"
    elif space == _GREY:
        colour.space = "L"
    elif space == _CMYK:
        colour.space = "CMYK"
        if colour.mode == "RGBA":
            colour.mode = "CMYK"


def _read_palette(colour: _Colour, data: bytes, start: int, end: int) -> None:
    """A palette makes P of L, unless its colours have more than 8 bits or the colour space has no need of one."""
    columns = data[start + 2]
    depths = data[start + 3 : min(start + 3 + columns, end)]
    if colour.mode in {"L", "LA"} and colour.space not in {"1", "L"} and max(depths, default=0) <= 8:
        colour.mode = "P" if colour.mode == "L" else "PA"


def keep_uuid(blocks: Blocks, data: bytes, start: int, end: int) -> None:
    """Put the content of a `uuid` box aside where its name is known.

    Args:
        blocks: Where to.
        data: The file.
        start: Where the content of the box begins.
        end: Where it ends.
    """
    name, content = data[start : start + 16], data[start + 16 : min(end, start + 16 + _MOST_BYTES)]
    if name == _XMP:
        blocks.xmp = blocks.xmp or content
    elif name == _EXIF:
        blocks.exif = blocks.exif or content
    elif name == _IPTC:
        blocks.iptc = blocks.iptc or content

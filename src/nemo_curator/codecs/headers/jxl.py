"""JPEG XL: the headers of its codestream, bare or in boxes.

Source: ISO/IEC 18181-1 (2024), annex D (SizeHeader, ImageMetadata); ISO/IEC 18181-2, section 9 (boxes jxlc, jxlp, jxli,
Exif, xml).
"""

from __future__ import annotations

from dataclasses import dataclass

from nemo_curator.codecs.headers.bits import Bits
from nemo_curator.codecs.headers.boxes import boxes
from nemo_curator.codecs.headers.exif import behind_offset
from nemo_curator.codecs.headers.metadata import Blocks, said_by
from nemo_curator.errors import DecodeError
from nemo_curator.kernels.header import ImageHeader

_SIGNATURE = b"\xff\x0a"
_SIDE = ((9, 1), (13, 1), (18, 1), (30, 1))
_PREVIEW = ((6, 1), (8, 65), (10, 321), (12, 1345))
_PREVIEW_OF_EIGHTS = ((0, 16), (0, 32), (5, 1), (9, 33))
_RATIOS = {1: (1, 1), 2: (12, 10), 3: (4, 3), 4: (3, 2), 5: (16, 9), 6: (5, 4), 7: (2, 1)}  # width to height
_ALPHA, _SPOT_COLOUR, _BLACK, _MOSAIC = 0, 2, 4, 5  # types of extra channels
_GREY, _XYB = 1, 2  # colour spaces
_MOST_HEADER = 65_536  # bytes of codestream that the headers may take
_MOST_BYTES = 1 << 20  # of one block of metadata
_SEVERAL = 2


@dataclass(slots=True)
class _Metadata:
    """What ImageMetadata says; the values are those of a header that says nothing."""

    orientation: int = 1
    animated: bool = False
    depth: int = 8
    alpha: bool = False
    black: bool = False
    grey: bool = False
    has_icc: bool = False


def read_jxl(data: bytes, name: str, most_frames: int) -> ImageHeader:
    """The header of a JPEG XL.

    Orientation is the codestream's own, which overrules that of EXIF. How many frames an animation has is known only
    where the file has an index of them; else it counts as 2, since every frame would have to be read.

    Args:
        data: The file.
        name: Its format, for the header.
        most_frames: Where to stop counting frames.

    Raises:
        DecodeError: The headers are cut, or there is no codestream.
    """
    blocks, indexed = Blocks(), 0
    stream = data[:_MOST_HEADER]
    if not data.startswith(_SIGNATURE):
        stream, indexed = _unboxed(data, blocks)
    if not stream.startswith(_SIGNATURE):
        raise DecodeError("the JPEG XL ends before its picture")
    bits = Bits(stream, 16)
    width, height = _size(bits)
    facts = _metadata(bits)
    frames = max(indexed, _SEVERAL) if facts.animated else 1
    mode = "CMYK" if facts.black and not facts.grey else ("L" if facts.grey else "RGB") + "A" * facts.alpha
    caption = said_by(blocks).caption
    return ImageHeader(
        name, width, height, mode, min(frames, most_frames), facts.orientation, facts.depth, facts.has_icc, caption
    )


def _unboxed(data: bytes, blocks: Blocks) -> tuple[bytes, int]:
    """(the beginning of the codestream, frames in the index or 0); metadata is put into `blocks`."""
    stream, indexed = b"", 0
    for kind, at, end in boxes(data, 0, len(data)):
        if kind in {b"jxlc", b"jxlp"}:
            if len(stream) < _MOST_HEADER:
                start = at if kind == b"jxlc" else at + 4  # four bytes number the part
                stream += data[start : min(end, start + _MOST_HEADER)]
        elif kind == b"Exif":
            blocks.exif = blocks.exif or behind_offset(data[at : min(end, at + _MOST_BYTES)])
        elif kind == b"xml ":
            blocks.xmp = blocks.xmp or data[at : min(end, at + _MOST_BYTES)]
        elif kind == b"jxli":
            indexed = _variable(data[at : min(end, at + 10)])
    return stream, indexed


def _variable(raw: bytes) -> int:
    """A number in bytes of seven bits each, lowest first; 0 where it does not end."""
    number = 0
    for i, byte in enumerate(raw):
        number |= (byte & 0x7F) << 7 * i
        if byte < 0x80:
            return number
    return 0


def _size(bits: Bits) -> tuple[int, int]:
    """(width, height) of a SizeHeader."""
    eighths = bits.flag()

    def side() -> int:
        return 8 * (bits.read(5) + 1) if eighths else bits.choice(*_SIDE)

    height = side()
    ratio = bits.read(3)
    return _by_ratio(height, ratio) if ratio else side(), height


def _by_ratio(height: int, ratio: int) -> int:
    above, below = _RATIOS[ratio]
    return height * above // below


def _skip_preview(bits: Bits) -> None:
    eighths = bits.flag()
    ways = _PREVIEW_OF_EIGHTS if eighths else _PREVIEW
    bits.choice(*ways)
    if not bits.read(3):
        bits.choice(*ways)


def _skip_animation(bits: Bits) -> None:
    bits.choice((0, 100), (0, 1000), (10, 1), (30, 1))  # ticks a second: numerator
    bits.choice((0, 1), (0, 1001), (8, 1), (10, 1))  # and denominator
    bits.choice((0, 0), (3, 0), (16, 0), (32, 0))  # loops
    bits.flag()  # time codes


def _metadata(bits: Bits) -> _Metadata:
    facts = _Metadata()
    if bits.flag():  # all as usual
        return facts
    if bits.flag():  # there are rarer fields
        facts.orientation = bits.read(3) + 1
        if bits.flag():  # a size to be shown at
            _size(bits)
        if bits.flag():
            _skip_preview(bits)
        facts.animated = bits.flag()
        if facts.animated:
            _skip_animation(bits)
    facts.depth = _depth(bits)
    bits.flag()  # 16-bit buffers are enough
    for _ in range(bits.choice((0, 0), (0, 1), (4, 2), (12, 1))):
        _read_extra_channel(bits, facts)
    bits.flag()  # XYB encoded
    if not bits.flag():  # colours that are not plain sRGB
        facts.has_icc = bits.flag()
        facts.grey = bits.enumerated() == _GREY
    return facts


def _depth(bits: Bits) -> int:
    if bits.flag():  # floating point
        depth = bits.choice((0, 32), (0, 16), (0, 24), (6, 1))
        bits.read(4)  # bits of the exponent
        return depth
    return bits.choice((0, 8), (0, 10), (0, 12), (6, 1))


def _read_extra_channel(bits: Bits, facts: _Metadata) -> None:
    if bits.flag():  # the usual one: alpha of 8 bits
        facts.alpha = True
        return
    kind = bits.enumerated()
    _depth(bits)
    bits.choice((0, 0), (0, 3), (0, 4), (3, 1))  # coarser by a power of two
    for _ in range(bits.choice((0, 0), (4, 0), (5, 16), (10, 48))):
        bits.read(8)  # its name
    if kind == _ALPHA:
        bits.flag()  # associated
        facts.alpha = True
    elif kind == _SPOT_COLOUR:
        for _ in range(4):
            bits.read(16)
    elif kind == _MOSAIC:
        bits.choice((0, 1), (2, 0), (4, 3), (8, 19))
    facts.black = facts.black or kind == _BLACK

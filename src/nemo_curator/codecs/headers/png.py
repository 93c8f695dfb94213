"""The chunks of a PNG: header, frames, text, metadata; and the sums that say whether its pixels are whole.

Source: W3C PNG (third edition), sections 5 and 11 (13.2 asks decoders to check the CRC); for `Raw profile type`, the
practice of ImageMagick and ExifTool.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from collections.abc import Set as AbstractSet

from nemo_curator.codecs.headers.iptc import iptc_of_resources
from nemo_curator.codecs.headers.metadata import Blocks, said_by
from nemo_curator.codecs.headers.words import decoded
from nemo_curator.errors import DecodeError
from nemo_curator.kernels.header import ImageHeader

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_CRITICAL = frozenset({b"IHDR", b"PLTE", b"IDAT"})
_MOST_CHUNKS = 50_000  # an encoder that writes 8 KB a chunk needs 8,000 for a file of the default limit
_MOST_TEXT = 1 << 18  # bytes of one text or profile once unpacked
_MOST_TEXTS = 64  # chunks of text that are looked at
_MOST_EXIF = 1 << 20

# (colour type, bits a sample) to Pillow's mode
_MODES = {
    (0, 1): "1",
    (0, 2): "L",
    (0, 4): "L",
    (0, 8): "L",
    (0, 16): "I;16",
    (2, 8): "RGB",
    (2, 16): "RGB",
    (3, 1): "P",
    (3, 2): "P",
    (3, 4): "P",
    (3, 8): "P",
    (4, 8): "LA",
    (4, 16): "RGBA",
    (6, 8): "RGBA",
    (6, 16): "RGBA",
}
_KEYWORDS = (b"Description", b"Title", b"Comment")
_XMP = b"XML:com.adobe.xmp"
_PROFILES = {b"Raw profile type exif", b"Raw profile type iptc", b"Raw profile type xmp"}
_KEPT = frozenset({*_KEYWORDS, *_PROFILES, _XMP})


def read_png(data: bytes, name: str, most_frames: int) -> ImageHeader:
    """Walk the chunks without unpacking a pixel; what stands behind the pixels counts too.

    Args:
        data: The file.
        name: Its format, for the header.
        most_frames: Where to stop counting frames.

    Returns:
        Its header.

    Raises:
        DecodeError: The IHDR chunk is missing, damaged, or gives a combination that no PNG has.
    """
    width, height, depth, mode = _ihdr(data)
    blocks, texts, missing = Blocks(), dict[bytes, bytes](), set(_KEPT)
    frames, extra, pixels_seen = 0, 1, False
    budget = _MOST_TEXTS
    for kind, at, length in chunks(data):
        if kind == b"IDAT":
            pixels_seen = True
        elif kind in {b"tEXt", b"zTXt", b"iTXt"}:
            budget -= 1
            if budget >= 0:
                found = text_of(data, kind, at, min(at + length, len(data)), missing)
                if found is not None and found[1]:  # the first of each keyword that says something
                    texts[found[0]] = found[1]
                    missing.discard(found[0])
        elif kind == b"eXIf":
            blocks.exif = data[at : at + min(length, _MOST_EXIF)]
        elif kind == b"iCCP":
            blocks.has_icc = True
        elif kind == b"acTL" and not pixels_seen:
            # a second one makes the file an ordinary PNG, as Pillow has it
            frames = int.from_bytes(data[at : at + 4], "big") if length >= 8 and not frames else -1
        elif kind == b"fcTL" and not pixels_seen:
            extra = 0  # the picture is itself the first frame of the animation
    count = frames + extra if 0 < frames <= 0x80000000 else 1
    _profiles(blocks, texts)
    blocks.text = next((decoded(texts[key]) for key in _KEYWORDS if texts.get(key, b"").strip(b"\0 \n\r\t")), "")
    said = said_by(blocks)
    return ImageHeader(
        name,
        width,
        height,
        mode,
        min(count, most_frames),
        said.orientation,
        depth,
        blocks.has_icc,
        said.caption,
    )


def verify_pixels(data: bytes) -> None:
    """Refuse a PNG whose pixels, palette or header are damaged; Pillow does not check the pixels' CRC.

    Args:
        data: The file.

    Raises:
        DecodeError: A chunk's CRC does not match, or the file ends inside a chunk.
    """
    view = memoryview(data)
    for name, at, length in _all_chunks(data):
        if name in _CRITICAL:
            if at + length + 4 > len(data):
                raise DecodeError(f"the PNG is truncated inside its {name.decode()} chunk")
            stored = int.from_bytes(data[at + length : at + length + 4], "big")
            if zlib.crc32(view[at - 4 : at + length]) != stored:
                raise DecodeError(f"the PNG is damaged: wrong CRC in its {name.decode()} chunk")


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


def _ihdr(data: bytes) -> tuple[int, int, int, str]:
    """(width, height, bits a sample, mode) of the first chunk."""
    if len(data) < 33:
        raise DecodeError("the PNG ends inside its header")
    length, kind, width, height, depth, colour = struct.unpack_from(">I4sIIBB", data, 8)
    if kind != b"IHDR" or length != 13:
        raise DecodeError("the PNG does not begin with a header")
    if zlib.crc32(data[12:29]) != int.from_bytes(data[29:33], "big"):
        raise DecodeError("the PNG is damaged: wrong CRC in its IHDR chunk")
    mode = _MODES.get((colour, depth))
    if mode is None:
        raise DecodeError(f"the PNG gives colour type {colour} with {depth} bits, which no PNG has")
    return width, height, depth, mode


def _all_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    at = 8
    while at + 8 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        name = data[at + 4 : at + 8]
        yield name, at + 8, length
        if name == b"IEND":
            return
        at += 12 + length


_HEAD = struct.Struct(">I4s")


def chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """The chunks behind the header; of several IDAT in a row the first alone.

    Args:
        data: The file.

    Yields:
        (name, start, length) of each one's content, which may be longer than the file.
    """
    unpack, end = _HEAD.unpack_from, len(data) - 8
    at = 33
    before = b""
    for _ in range(_MOST_CHUNKS):
        if at > end:
            return
        length, name = unpack(data, at)
        if name != before:
            if name == b"IEND" or not name.isalpha():  # lost: no chunk is called so
                return
            yield name, at + 8, length
            before = name if name == b"IDAT" else b""
        at += 12 + length


def text_of(data: bytes, kind: bytes, at: int, end: int, wanted: AbstractSet[bytes]) -> tuple[bytes, bytes] | None:
    """A chunk of text whose keyword is of interest.

    Args:
        data: The file.
        kind: `tEXt`, `zTXt` or `iTXt`.
        at: Where the content of the chunk begins.
        end: Where it ends.
        wanted: Keywords; no other text is unpacked.

    Returns:
        (keyword, text), unpacked to a bounded length; None for another keyword, or a damaged chunk.
    """
    stop = data.find(b"\0", at, min(end, at + 80))  # a keyword has at most 79 characters
    keyword = data[at:stop] if stop > 0 else b""
    if keyword not in wanted:
        return None
    packed = kind == b"zTXt"
    start = stop + 1 + packed  # a byte for the method of compression
    if kind == b"iTXt":
        packed = data[stop + 1 : stop + 2] == b"\1"
        language = data.find(b"\0", stop + 3, end)
        translated = data.find(b"\0", language + 1, end) if language >= 0 else -1
        if translated < 0:
            return None
        start = translated + 1
    return keyword, _unpacked(data, start, end) if packed else data[start : min(end, start + _MOST_TEXT)]


def _unpacked(data: bytes, start: int, end: int) -> bytes:
    try:
        return zlib.decompressobj().decompress(memoryview(data)[start:end], _MOST_TEXT)
    except zlib.error:
        return b""


def _profiles(blocks: Blocks, texts: dict[bytes, bytes]) -> None:
    """EXIF, XMP and IPTC that stand in text chunks, where the chunk made for them is not there."""
    blocks.xmp = texts.get(_XMP) or from_hex(texts.get(b"Raw profile type xmp", b""))
    blocks.exif = blocks.exif or from_hex(texts.get(b"Raw profile type exif", b""))
    iptc = from_hex(texts.get(b"Raw profile type iptc", b""))
    blocks.iptc = iptc_of_resources(iptc) if iptc.startswith(b"8BIM") else iptc


def from_hex(profile: bytes) -> bytes:
    """A raw profile: an empty line, its name, its length, then lines of hexadecimal digits."""
    try:
        return bytes.fromhex(b"".join(profile.split(b"\n")[3:]).decode("ascii"))
    except ValueError:
        return b""

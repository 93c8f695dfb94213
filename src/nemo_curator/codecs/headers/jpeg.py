"""The markers of a JPEG up to its first scan: size, components, precision, metadata, in some 10 µs.

Source: ITU-T T.81, annex B; ITU-T T.872, section 6.5.3 (Adobe's APP14); ICC.1, annex B.4 (APP2).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from nemo_curator.codecs.headers.iptc import iptc_of_resources
from nemo_curator.codecs.headers.metadata import Blocks, said_by
from nemo_curator.errors import DecodeError
from nemo_curator.kernels.header import ImageHeader

# start-of-frame markers: C0 to CF without DHT (C4), JPG (C8) and DAC (CC)
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_SEQUENTIAL = frozenset({0xC0, 0xC1, 0xC9})
_ALONE = frozenset({0x00, 0x01, *range(0xD0, 0xD9)})  # a stuffed byte, TEM, RSTn, SOI: no length follows
_LAST = frozenset({0xD9, 0xDA})  # EOI, SOS
_APP1, _APP2, _APP13, _APP14, _COMMENT = 0xE1, 0xE2, 0xED, 0xEE, 0xFE
_METADATA = frozenset({_APP1, _APP2, _APP13, _COMMENT})
_MOST_SEGMENTS = 10_000  # a file of empty segments must not keep us busy
_EXIF = b"Exif\0"
_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_ICC = b"ICC_PROFILE\0"
_PHOTOSHOP = b"Photoshop 3.0\0"
_MODES = {1: "L", 3: "RGB", 4: "CMYK"}
_ADOBE_YCCK = 2


@dataclass(frozen=True, slots=True)
class JpegFacts:
    """What the markers say.

    Attributes:
        width: Stored width in pixels.
        height: Stored height in pixels.
        components: Number of colour components: 1 grey, 3 colour, 4 CMYK or YCCK.
        frame: The start-of-frame marker: 0xC0 baseline, 0xC2 progressive, 0xC9 and above arithmetic.
        precision: Bits a sample.
        adobe: The colour transform in Adobe's segment (0 none, 1 YCbCr, 2 YCCK), or None where there is none.
        blocks: Its metadata.
    """

    width: int
    height: int
    components: int
    frame: int
    precision: int
    adobe: int | None
    blocks: Blocks


def read_jpeg(data: bytes, name: str, _most_frames: int) -> ImageHeader:
    """The header of a JPEG; it has one frame, whatever previews or gain maps follow its picture.

    Args:
        data: The file.
        name: Its format, for the header.

    Raises:
        DecodeError: There is no complete frame header before the first scan, or it has components of a number that
            no colour model has.
    """
    facts = read_markers(data)
    mode = _MODES.get(facts.components)
    if mode is None:
        raise DecodeError(f"the JPEG has {facts.components} colour components; 1, 3 and 4 are known")
    if mode == "CMYK" and facts.adobe == _ADOBE_YCCK:
        mode = "YCCK"
    said = said_by(facts.blocks)
    return ImageHeader(
        name, facts.width, facts.height, mode, 1, said.orientation, facts.precision, facts.blocks.has_icc, said.caption
    )


def read_markers(data: bytes) -> JpegFacts:
    """Walk the markers until the first scan.

    Args:
        data: The file.

    Returns:
        Its facts; of a kind of metadata that is there twice, the first.

    Raises:
        DecodeError: There is no complete frame header before the first scan or the end.
    """
    frame: tuple[int, int] | None = None
    adobe: int | None = None
    blocks = Blocks()
    for marker, at, end in segments(data):
        if marker in _FRAMES:
            if frame is None and end - at >= 6:
                frame = marker, at
        elif marker == _APP14:
            if data.startswith(b"Adobe", at) and end - at >= 12:
                adobe = data[at + 11]
        elif marker in _METADATA:
            _keep(blocks, marker, data, at, end)
    if frame is None:
        raise DecodeError("the JPEG ends, or its picture begins, before its size is given")
    marker, at = frame
    height, width = data[at + 1] << 8 | data[at + 2], data[at + 3] << 8 | data[at + 4]
    return JpegFacts(width, height, data[at + 5], marker, data[at], adobe, blocks)


def _keep(blocks: Blocks, marker: int, data: bytes, at: int, end: int) -> None:
    """Put the first block of each kind of metadata aside."""
    if marker == _COMMENT:
        blocks.comment = blocks.comment or data[at:end]
    elif data.startswith(_EXIF, at):
        blocks.exif = blocks.exif or data[at:end]
    elif data.startswith(_XMP, at):
        blocks.xmp = blocks.xmp or data[at + len(_XMP) : end]
    elif data.startswith(_PHOTOSHOP, at):
        if not blocks.resources:  # the first alone: a hostile file has thousands
            blocks.resources = True
            blocks.iptc = iptc_of_resources(data[at + len(_PHOTOSHOP) : end])
    elif data.startswith(_ICC, at):
        blocks.has_icc = True


def tidied(data: bytes) -> bytes | None:
    """The file with a header that libjpeg has nothing to say about, so that it speaks of the pixels alone.

    What stands between the segments and belongs to none of them is left out. The spectral selection of a sequential
    scan, which decoders ignore, is what the standard asks for.

    Args:
        data: The file.

    Returns:
        Another file that shows the same picture; None where there is nothing to tidy, or no scan.
    """
    parts, start, sequential = [data[:2]], 2, False
    for marker, at, end in segments(data):
        parts.append(b"\xff" + bytes([marker]) + data[at - 2 : end])
        start = end
        sequential = sequential or marker in _SEQUENTIAL
    scan = data.find(b"\xff\xda", start)
    if scan < 0 or data.find(b"\xff\xd9", start, scan) >= 0:
        return None
    begin = scan + 2 + int.from_bytes(data[scan + 2 : scan + 4], "big")  # of the pixels
    head = data[scan:begin]
    if sequential and len(head) >= 10:
        head = head[:-3] + b"\0\x3f\0"
    clean = b"".join([*parts, head, data[begin:]])
    return clean if clean != data else None


def segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """The segments that have a body, until the first scan.

    Args:
        data: The file.

    Yields:
        (marker, start, end) of each one's body; the end is cut to that of the file.
    """
    at, length = 2, len(data)
    for _ in range(_MOST_SEGMENTS):
        at = data.find(b"\xff", at)  # decoders skip stray bytes between segments, and so do we
        if at < 0:
            return
        if data[at + 1 : at + 2] == b"\xff":  # fill bytes; there may be many
            at += _fill_bytes(data, at)
        if at + 4 > length:
            return
        marker = data[at + 1]
        if marker in _ALONE:
            at += 2
            continue
        if marker in _LAST:
            return
        end = at + 2 + max(data[at + 2] << 8 | data[at + 3], 2)
        yield marker, at + 4, min(end, length)
        at = end


def _fill_bytes(data: bytes, at: int) -> int:
    """How many bytes of 0xFF precede the one that belongs to the marker."""
    start = at
    while data[at + 1 : at + 2] == b"\xff":
        run = data[at : at + 4096]
        at += len(run) - len(run.lstrip(b"\xff")) - 1
    return at - start

"""What in a file may speak of rights, collected from the places where each format keeps it.

Nothing is understood here. Every walk is one of `codecs.headers`, and is bounded by the length of the file and by the
figures below.

Source: for C2PA stores, C2PA Technical Specification 2.3, annexes A.3 (JPEG APP11, PNG `caBX`, RIFF `C2PA`, TIFF tag
52545, GIF application extension `C2PA_GIF`, JPEG XL `jumb`) and A.5 (`uuid` box of ISO base media files); it gives no
place in JPEG 2000, where both kinds of boxes are looked for. For the rest: Adobe, XMP Specification part 3.
"""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Callable
from dataclasses import dataclass, field

from nemo_curator.codecs.headers.boxes import boxes
from nemo_curator.codecs.headers.exif import behind_offset, first_directory
from nemo_curator.codecs.headers.gif import joined, table_bytes, walk
from nemo_curator.codecs.headers.ifd import Directory, read_directory
from nemo_curator.codecs.headers.iptc import image_resources
from nemo_curator.codecs.headers.isobmff import blocks_of
from nemo_curator.codecs.headers.items import read_items
from nemo_curator.codecs.headers.jpeg import segments
from nemo_curator.codecs.headers.jpeg2000 import keep_uuid
from nemo_curator.codecs.headers.metadata import Blocks
from nemo_curator.codecs.headers.png import chunks as png_chunks
from nemo_curator.codecs.headers.png import from_hex, text_of
from nemo_curator.codecs.headers.webp import chunks as webp_chunks
from nemo_curator.codecs.headers.words import decoded
from nemo_curator.codecs.rights.exif_fields import WANTED
from nemo_curator.codecs.rights.manifests import is_store, store_in

_MOST_OF_A_KIND = 4  # blocks of EXIF, XMP, IPTC, comments, stores; one of each is right
_MOST_BYTES = 1 << 20  # of one such block
_MOST_STORE = 1 << 24  # bytes of a store; most of it is thumbnails
_MOST_TEXTS = 64  # chunks of text in a PNG
_MOST_CHUNKS = 100_000  # of a WebP; an animation has one a frame
_MOST_PARTS = 64  # segments that belong together

_C2PA_UUID = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
_PURPOSES = (b"manifest\0", b"original\0", b"update\0")
_XMP_TAG, _IPTC_TAG, _PHOTOSHOP_TAG, _C2PA_TAG = 700, 33723, 34377, 0xCD41
_TIFF_TAGS = WANTED | {_XMP_TAG, _IPTC_TAG, _PHOTOSHOP_TAG, _C2PA_TAG}

TEXTS = frozenset(
    {
        *(b"Copyright", b"Author", b"License", b"Licence", b"Keywords", b"Comment", b"Software"),
        *(b"robots", b"Robots", b"X-Robots-Tag", b"noai", b"noimageai", b"tdm-reservation", b"tdm:reservation"),
        *(b"parameters", b"prompt", b"workflow", b"invokeai_metadata", b"invokeai_graph", b"sd-metadata", b"Dream"),
    }
)
"""Keywords of a PNG's texts that are kept."""

_XMP_TEXT = b"XML:com.adobe.xmp"
_PROFILES = frozenset(b"Raw profile type " + name for name in (b"exif", b"APP1", b"iptc", b"xmp"))
_PNG_WANTED = TEXTS | _PROFILES | {_XMP_TEXT}


@dataclass(slots=True)
class Payloads:
    """What was met, in the order of the file.

    Attributes:
        exif: First directories, read with the tags of `exif_fields`.
        xmp: Packets.
        iptc: Datasets.
        texts: Keyword to text, of a PNG.
        comments: Texts without a name.
        stores: C2PA manifest stores: what is in their superboxes.
    """

    exif: list[Directory] = field(default_factory=list)
    xmp: list[bytes] = field(default_factory=list)
    iptc: list[bytes] = field(default_factory=list)
    texts: dict[str, str] = field(default_factory=dict)
    comments: list[str] = field(default_factory=list)
    stores: list[bytes] = field(default_factory=list)

    def add_exif(self, block: bytes) -> None:
        """Put the first directory of an EXIF block aside, and the XMP and IPTC that may be in it.

        Args:
            block: A TIFF structure, with or without `Exif` before it.
        """
        if block and len(self.exif) < _MOST_OF_A_KIND:
            directory = first_directory(block[:_MOST_BYTES], _TIFF_TAGS)
            if directory is not None:
                self.add_directory(directory)

    def add_directory(self, directory: Directory) -> None:
        """Put a first directory aside, and what is in its tags.

        Args:
            directory: Of an EXIF block, or of a TIFF.
        """
        self.exif.append(directory)
        self.add_xmp(directory.raw(_XMP_TAG, _MOST_BYTES))
        self.add_iptc(directory.raw(_IPTC_TAG, _MOST_BYTES))
        self.add_resources(directory.raw(_PHOTOSHOP_TAG, _MOST_BYTES))
        self.add_boxed_store(directory.raw(_C2PA_TAG, _MOST_STORE))

    def add_xmp(self, packet: bytes) -> None:
        """Put a packet aside."""
        if packet and len(self.xmp) < _MOST_OF_A_KIND:
            self.xmp.append(packet[:_MOST_BYTES])

    def add_iptc(self, datasets: bytes) -> None:
        """Put datasets aside."""
        if datasets and len(self.iptc) < _MOST_OF_A_KIND:
            self.iptc.append(datasets[:_MOST_BYTES])

    def add_comment(self, text: bytes) -> None:
        """Put a comment aside."""
        if text and len(self.comments) < _MOST_OF_A_KIND:
            self.comments.append(decoded(text))

    def add_resources(self, resources: bytes) -> None:
        """Put what is in Photoshop's image resources aside: IPTC (1028), EXIF (1058) and XMP (1060)."""
        for number, at, end in image_resources(resources):
            if number == 0x0404:
                self.add_iptc(resources[at:end])
            elif number == 0x0422:
                self.add_exif(resources[at:end])
            elif number == 0x0424:
                self.add_xmp(resources[at:end])

    def add_blocks(self, blocks: Blocks) -> None:
        """Put what a parser of headers found aside."""
        self.add_exif(blocks.exif)
        self.add_xmp(blocks.xmp)
        self.add_iptc(blocks.iptc)

    def add_boxed_store(self, payload: bytes) -> None:
        """Put a store aside, if there is one among these boxes."""
        if payload and len(self.stores) < _MOST_OF_A_KIND:
            store = store_in(payload[:_MOST_STORE])
            if store:
                self.add_store(store)

    def add_store(self, store: bytes) -> None:
        """Put the content of a store's superbox aside."""
        if len(self.stores) < _MOST_OF_A_KIND:
            self.stores.append(store)


def collect(data: bytes, image_format: str) -> Payloads:
    """Collect from a file.

    Args:
        data: The file.
        image_format: As `kernels.sniff` names it.

    Returns:
        What stands before any damage; nothing for formats that keep no such thing (BMP, PPM, ICO and the like).
    """
    found = Payloads()
    collector = _COLLECTORS.get(image_format)
    if collector is not None:
        with contextlib.suppress(struct.error, IndexError, OverflowError):  # damaged: what came before stands
            collector(found, data)
    return found


def _jpeg(found: Payloads, data: bytes) -> None:
    resources: list[bytes] = []
    extended: dict[int, bytes] = {}
    stores: dict[bytes, list[bytes]] = {}
    for marker, at, end in segments(data):
        if marker == 0xE1:
            _app1(found, extended, data, at, end)
        elif marker == 0xEB:
            _part_of_store(stores, data, at, end)
        elif marker == 0xED and data.startswith(b"Photoshop 3.0\0", at) and len(resources) < _MOST_PARTS:
            resources.append(data[at + 14 : end])
        elif marker == 0xFE:
            found.add_comment(data[at:end])
    found.add_resources(b"".join(resources))  # blocks too long for a segment go on in the next
    found.add_xmp(b"".join(part for _, part in sorted(extended.items())))
    for boxed in stores.values():
        found.add_boxed_store(b"".join(boxed))


def _app1(found: Payloads, extended: dict[int, bytes], data: bytes, at: int, end: int) -> None:
    """EXIF, XMP, or a part of the packet that did not fit: 32 letters, its length, an offset, the part."""
    if data.startswith(b"Exif\0", at):
        found.add_exif(data[at:end])
    elif data.startswith(b"http://ns.adobe.com/xap/1.0/\0", at):
        found.add_xmp(data[at + 29 : end])
    elif data.startswith(b"http://ns.adobe.com/xmp/extension/\0", at) and len(extended) < _MOST_PARTS:
        extended[int.from_bytes(data[at + 71 : at + 75], "big")] = data[at + 75 : end]


def _part_of_store(stores: dict[bytes, list[bytes]], data: bytes, at: int, end: int) -> None:
    """One APP11 segment: `JP`, a number of the box, one of the part, and the box, whose head each part repeats.

    Source: ISO/IEC 18477-3, annex B.2; ISO/IEC 19566-5, annex D.2.
    """
    if not data.startswith(b"JP", at) or end - at < 16:
        return
    number = data[at + 2 : at + 4]
    if number in stores:
        head = 16 if data[at + 8 : at + 12] == b"\0\0\0\1" else 8
        stores[number].append(data[at + 8 + head : end])
    elif len(stores) < _MOST_PARTS and data.startswith(b"jumb", at + 12):
        stores[number] = [data[at + 8 : end]]


def _png(found: Payloads, data: bytes) -> None:
    budget, wanted = _MOST_TEXTS, set(_PNG_WANTED)
    for kind, at, length in png_chunks(data):
        end = min(at + length, len(data))
        if kind in {b"tEXt", b"zTXt", b"iTXt"}:
            budget -= 1
            text = text_of(data, kind, at, end, wanted) if budget >= 0 else None
            if text is not None and text[1]:
                wanted.discard(text[0])
                _png_text(found, *text)
        elif kind == b"eXIf":
            found.add_exif(data[at:end])
        elif kind == b"caBX":
            found.add_boxed_store(data[at : min(end, at + _MOST_STORE)])


def _png_text(found: Payloads, keyword: bytes, text: bytes) -> None:
    if keyword == _XMP_TEXT:
        found.add_xmp(text)
    elif keyword not in _PROFILES:
        found.texts[keyword.decode("ascii")] = decoded(text)
    elif keyword.endswith(b"xmp"):
        found.add_xmp(from_hex(text))
    elif keyword.endswith(b"iptc"):
        iptc = from_hex(text)
        if iptc.startswith(b"8BIM"):
            found.add_resources(iptc)
        else:
            found.add_iptc(iptc)
    else:
        block = from_hex(text)
        if block.startswith(b"http://ns.adobe.com/xap/1.0/\0"):
            found.add_xmp(block[29:])
        else:
            found.add_exif(block)


def _webp(found: Payloads, data: bytes) -> None:
    for kind, at, length in webp_chunks(data, _MOST_CHUNKS):
        if kind == b"EXIF":
            found.add_exif(data[at : at + min(length, _MOST_BYTES)])
        elif kind == b"XMP ":
            found.add_xmp(data[at : at + min(length, _MOST_BYTES)])
        elif kind == b"C2PA":
            found.add_boxed_store(data[at : at + min(length, _MOST_STORE)])


def _gif(found: Payloads, data: bytes) -> None:
    for kind, start, end in walk(data, 13 + table_bytes(data[10])):
        if kind == 0xFE:
            found.add_comment(joined(data, start, min(end, start + _MOST_BYTES)))
        elif kind == 0xFF and data.startswith(b"XMP DataXMP", start + 1):  # no sub-blocks: see `headers.gif`
            found.add_xmp(data[start + 12 : end])
        elif kind == 0xFF and data.startswith(b"C2PA_GIF", start + 1):
            found.add_boxed_store(joined(data, start + 12, min(end, start + _MOST_STORE)))


def _tiff(found: Payloads, data: bytes) -> None:
    order = "<" if data[:2] == b"II" else ">"
    big = 43 in data[2:4]
    (start,) = struct.unpack_from(order + ("Q" if big else "I"), data, 8 if big else 4)
    found.add_directory(read_directory(data, start, order, _TIFF_TAGS, big=big))


def _boxed(found: Payloads, data: bytes) -> None:
    """AVIF, HEIF, JPEG XL and JPEG 2000."""
    if data[4:8] not in {b"ftyp", b"JXL ", b"jP  "}:  # a bare codestream
        return
    blocks = Blocks()
    for kind, at, end in boxes(data, 0, len(data)):
        if kind == b"meta":
            found.add_blocks(blocks_of(read_items(data, at, end), data))
        elif kind == b"Exif":
            found.add_exif(behind_offset(data[at : min(end, at + _MOST_BYTES)]))
        elif kind == b"xml ":
            found.add_xmp(data[at : min(end, at + _MOST_BYTES)])
        elif kind == b"jumb" and is_store(data, at, end):
            found.add_store(data[at : min(end, at + _MOST_STORE)])
        elif kind == b"uuid" and data.startswith(_C2PA_UUID, at):
            # a version and flags, a purpose, and where hashes stand that do not matter here
            purpose = next((word for word in _PURPOSES if data.startswith(word, at + 20)), b"")
            if purpose:
                found.add_boxed_store(data[at + 20 + len(purpose) + 8 : min(end, at + _MOST_STORE)])
        elif kind == b"uuid":
            keep_uuid(blocks, data, at, end)
    found.add_blocks(blocks)


def _psd(found: Payloads, data: bytes) -> None:
    """Adobe, Photoshop File Formats Specification: a header of 26 bytes, the colour mode data, the image resources."""
    at = 30 + int.from_bytes(data[26:30], "big")
    length = int.from_bytes(data[at : at + 4], "big")
    found.add_resources(data[at + 4 : at + 4 + min(length, _MOST_STORE)])


_COLLECTORS: dict[str, Callable[[Payloads, bytes], None]] = {
    "jpeg": _jpeg,
    "png": _png,
    "webp": _webp,
    "gif": _gif,
    "tiff": _tiff,
    "avif": _boxed,
    "heif": _boxed,
    "jxl": _boxed,
    "jpeg2000": _boxed,
    "psd": _psd,
}

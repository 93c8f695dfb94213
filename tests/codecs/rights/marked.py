"""Files of every format that carry marks of rights, written by real encoders and filled box by box."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

from PIL import Image
from tests.codecs.headers.boxed import Part, box, coded, put_together
from tests.codecs.headers.test_metadata import dataset, resource
from tests.codecs.headers.tiffs import picture, tiff

from nemo_curator.testing import photo

_TYPE = bytes.fromhex("00110010800000aa00389b71")
_C2PA = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
_XMP_UUID = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
_IPTC_UUID = bytes.fromhex("33c7a4d2b81d4723a0baf1a3e097ad38")
_JXL_HEAD = b"\0\0\0\x0cJXL \r\n\x87\n\0\0\0\x14ftypjxl \0\0\0\0jxl "

NAMESPACES = {
    "dc": "http://purl.org/dc/elements/1.1/",
    "xmpRights": "http://ns.adobe.com/xap/1.0/rights/",
    "photoshop": "http://ns.adobe.com/photoshop/1.0/",
    "plus": "http://ns.useplus.org/ldf/xmp/1.0/",
    "tdm": "http://www.w3.org/ns/tdmrep/",
    "cc": "http://creativecommons.org/ns#",
    "tiff": "http://ns.adobe.com/tiff/1.0/",
    "dcterms": "http://purl.org/dc/terms/",
    "Iptc4xmpExt": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
}
TRAINED = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"

EXIF = tiff(
    {0x8298: (2, b"exif notice\0"), 0x013B: (2, b"exif artist\0")}, inner={0x9286: (7, b"ASCII\0\0\0a comment")}
)
"""An EXIF block with a notice and an artist."""

IPTC = dataset(2, 116, b"iptc notice") + dataset(2, 80, b"iptc by-line") + dataset(2, 110, b"iptc credit")
"""Datasets of a notice, a by-line and a credit."""


def xmp(inside: str = "", attributes: str = "", **namespaces: str) -> bytes:
    """A packet around elements, its description with attributes; prefixes not given are the usual ones."""
    bound = {**NAMESPACES, "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#", **namespaces}
    declared = " ".join(f'xmlns:{prefix}="{uri}"' for prefix, uri in bound.items() if uri)
    return (
        f'<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
        f'{declared}><rdf:Description rdf:about="" {attributes}>{inside}</rdf:Description></rdf:RDF></x:xmpmeta>'
        f'<?xpacket end="w"?>'
    ).encode()


XMP = xmp("<dc:rights><rdf:Alt><rdf:li xml:lang='x-default'>xmp notice</rdf:li></rdf:Alt></dc:rights>")
"""A packet with a notice."""


def superbox(kind: bytes, label: str, *contents: bytes) -> bytes:
    """A JUMBF superbox with its description."""
    described = box(b"jumd", kind + _TYPE, b"\x03", label.encode() + b"\0")
    return box(b"jumb", described, *contents)


def cbor(value: Any) -> bytes:
    """CBOR of text, numbers, booleans, None, bytes, lists and dictionaries."""
    if value is None or isinstance(value, bool):
        return {None: b"\xf6", False: b"\xf4", True: b"\xf5"}[value]
    if isinstance(value, int):
        return _head(0, value) if value >= 0 else _head(1, -1 - value)
    if isinstance(value, bytes):
        return _head(2, len(value)) + value
    if isinstance(value, str):
        raw = value.encode()
        return _head(3, len(raw)) + raw
    if isinstance(value, list):
        return _head(4, len(value)) + b"".join(map(cbor, value))
    return _head(5, len(value)) + b"".join(cbor(part) for pair in value.items() for part in pair)


def _head(major: int, number: int) -> bytes:
    """The first byte of a value, and its length or number where that does not fit."""
    if number < 24:
        return bytes([major << 5 | number])
    more = next(more for more in range(4) if number < 1 << (8 << more))
    return bytes([major << 5 | 24 + more]) + number.to_bytes(1 << more, "big")


def assertion(label: str, data: Any) -> bytes:
    """An assertion's superbox."""
    return superbox(b"cbor", label, box(b"cbor", cbor(data)))


def manifest(*assertions: bytes, kind: bytes = b"c2ma") -> bytes:
    """A manifest with assertions, and a claim that nobody reads."""
    claim = superbox(b"c2cl", "c2pa.claim.v2", box(b"cbor", cbor({"alg": "sha256"})))
    return superbox(kind, "urn:c2pa:1", superbox(b"c2as", "c2pa.assertions", *assertions), claim)


def store(*manifests: bytes) -> bytes:
    """A manifest store with its superbox."""
    return superbox(b"c2pa", "c2pa", *manifests)


def training(prefix: str = "cawg", **uses: str) -> bytes:
    """A training and data mining assertion: use to what is said of it."""
    entries = {f"{prefix}.{use}": {"use": said} for use, said in uses.items()}
    return assertion(f"{prefix}.training-mining", {"entries": entries})


STORE = store(manifest(training(ai_training="notAllowed")))
"""A store whose one manifest denies training."""


def saved(fmt: str, **options: Any) -> bytes:
    """A small photo as Pillow writes it."""
    out = io.BytesIO()
    Image.fromarray(photo(3, 40, 30)).save(out, fmt, **options)
    return out.getvalue()


def segment(marker: int, body: bytes) -> bytes:
    """A segment of a JPEG."""
    return bytes((0xFF, marker)) + struct.pack(">H", len(body) + 2) + body


def app11(boxed: bytes, number: int = 1, piece: int = 60_000) -> bytes:
    """The segments that a box is cut into, each with the box's head again."""
    head, content = boxed[:8], boxed[8:]
    pieces = [content[at : at + piece] for at in range(0, len(content), piece)]
    return b"".join(
        segment(0xEB, b"JP" + struct.pack(">HI", number, i) + head + part) for i, part in enumerate(pieces, 1)
    )


def jpeg(exif: bytes = b"", xmp: bytes = b"", iptc: bytes = b"", store: bytes = b"", more: bytes = b"") -> bytes:
    """A JPEG with blocks."""
    data = saved("JPEG")
    parts = [
        segment(0xE1, b"Exif\0\0" + exif) if exif else b"",
        segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + xmp) if xmp else b"",
        segment(0xED, b"Photoshop 3.0\0" + resource(0x0404, iptc)) if iptc else b"",
        app11(store) if store else b"",
        more,
    ]
    return data[:2] + b"".join(parts) + data[2:]


def chunk(kind: bytes, body: bytes) -> bytes:
    """A chunk of a PNG."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def text(keyword: str, value: str) -> bytes:
    """An international text of a PNG."""
    return chunk(b"iTXt", keyword.encode() + b"\0\0\0\0\0" + value.encode())


def profile(kind: str, body: bytes) -> bytes:
    """A profile as ImageMagick puts it into a text of a PNG."""
    listed = f"\n{kind}\n{len(body):8}\n{body.hex()}\n".encode()
    return chunk(b"zTXt", f"Raw profile type {kind}".encode() + b"\0\0" + zlib.compress(listed))


def png(exif: bytes = b"", xmp: bytes = b"", iptc: bytes = b"", store: bytes = b"", more: bytes = b"") -> bytes:
    """A PNG with blocks, behind its header."""
    data = saved("PNG")
    parts = [
        chunk(b"eXIf", exif) if exif else b"",
        chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp) if xmp else b"",
        profile("iptc", resource(0x0404, iptc)) if iptc else b"",
        chunk(b"caBX", store) if store else b"",
        more,
    ]
    return data[:33] + b"".join(parts) + data[33:]


def webp(exif: bytes = b"", xmp: bytes = b"", store: bytes = b"") -> bytes:
    """A WebP with blocks."""
    data = saved("WEBP", exif=b"Exif\0\0" + exif if exif else b"", xmp=xmp)
    if store:
        data += b"C2PA" + struct.pack("<I", len(store)) + store + bytes(len(store) % 2)
        data = data[:4] + struct.pack("<I", len(data) - 8) + data[8:]
    return data


def sub_blocks(body: bytes) -> bytes:
    """The sub-blocks of a GIF."""
    parts = [body[at : at + 255] for at in range(0, len(body), 255)]
    return b"".join(bytes([len(part)]) + part for part in parts) + b"\0"


def gif(xmp: bytes = b"", store: bytes = b"", comment: bytes = b"") -> bytes:
    """A GIF with extensions, before its picture."""
    data = saved("GIF")
    at = 13 + (3 << ((data[10] & 7) + 1) if data[10] & 0x80 else 0)
    trailer = b"\x01" + bytes(range(255, -1, -1)) + b"\0"
    parts = [
        b"\x21\xff\x0bXMP DataXMP" + xmp + trailer if xmp else b"",
        b"\x21\xff\x0bC2PA_GIF\x01\0\0" + sub_blocks(store) if store else b"",
        b"\x21\xfe" + sub_blocks(comment) if comment else b"",
    ]
    return data[:at] + b"".join(parts) + data[at:]


def tiff_file(exif: bytes = b"", xmp: bytes = b"", iptc: bytes = b"", store: bytes = b"", **form: Any) -> bytes:
    """A TIFF of one directory with blocks in its tags; of EXIF it takes the notice and the artist."""
    tags = picture()
    if exif:
        tags |= {0x8298: (2, b"exif notice\0"), 0x013B: (2, b"exif artist\0")}
    for tag, kind, block in ((700, 1, xmp), (33723, 7, iptc), (0xCD41, 7, store)):
        if block:
            tags[tag] = (kind, block)
    return tiff(tags, **form)


def uuid_store(store: bytes, purpose: bytes = b"manifest") -> bytes:
    """The box that holds a store in ISO base media files."""
    return box(b"uuid", _C2PA, bytes(4), purpose + b"\0", bytes(8), store)


def isobmff(fmt: str, exif: bytes = b"", xmp: bytes = b"", store: bytes = b"") -> bytes:
    """An AVIF or HEIF with blocks as items."""
    parts = [coded(fmt)]
    if exif:
        parts.append(Part(b"Exif", bytes(4) + exif))
    if xmp:
        parts.append(Part(b"mime", xmp, content=b"application/rdf+xml"))
    references = tuple((b"cdsc", number, 1) for number in range(2, len(parts) + 1))
    data = put_together(b"avifmif1" if fmt == "avif" else b"heicmif1", parts, references)
    return data + (uuid_store(store) if store else b"")


def jxl(exif: bytes = b"", xmp: bytes = b"", store: bytes = b"") -> bytes:
    """The boxes of a JPEG XL; its codestream is a header alone."""
    parts = [
        box(b"Exif", bytes(4), exif) if exif else b"",
        box(b"xml ", xmp) if xmp else b"",
        store,
        box(b"jxlc", bytes.fromhex("ff0a88b0010015880600c401")),
    ]
    return _JXL_HEAD + b"".join(parts)


def jpeg2000(exif: bytes = b"", xmp: bytes = b"", iptc: bytes = b"", store: bytes = b"") -> bytes:
    """A JP2 with blocks behind its codestream."""
    parts = [
        box(b"uuid", b"JpgTiffExif->JP2", exif) if exif else b"",
        box(b"uuid", _XMP_UUID, xmp) if xmp else b"",
        box(b"uuid", _IPTC_UUID, iptc) if iptc else b"",
        uuid_store(store) if store else b"",
    ]
    return saved("JPEG2000") + b"".join(parts)


def psd(exif: bytes = b"", xmp: bytes = b"", iptc: bytes = b"") -> bytes:
    """The head of a PSD: its resources, and no layer."""
    blocks = ((0x0404, iptc), (0x0422, exif), (0x0424, xmp))
    body = b"".join(resource(number, block) + bytes(len(block) % 2) for number, block in blocks if block)
    header = b"8BPS" + struct.pack(">H6xHIIHH", 1, 3, 30, 40, 8, 3)
    return header + bytes(4) + struct.pack(">I", len(body)) + body + bytes(4)


MAKERS: dict[str, tuple[Any, set[str]]] = {
    "jpeg": (jpeg, {"exif", "xmp", "iptc", "store"}),
    "png": (png, {"exif", "xmp", "iptc", "store"}),
    "webp": (webp, {"exif", "xmp", "store"}),
    "gif": (gif, {"xmp", "store"}),
    "tiff": (tiff_file, {"exif", "xmp", "iptc", "store"}),
    "avif": (lambda **blocks: isobmff("avif", **blocks), {"exif", "xmp", "store"}),
    "heif": (lambda **blocks: isobmff("heif", **blocks), {"exif", "xmp", "store"}),
    "jxl": (jxl, {"exif", "xmp", "store"}),
    "jpeg2000": (jpeg2000, {"exif", "xmp", "iptc", "store"}),
    "psd": (psd, {"exif", "xmp", "iptc"}),
}
"""Format, as `kernels.sniff` names it, to what makes such a file and the blocks that it can carry."""

BLOCKS = {"exif": EXIF, "xmp": XMP, "iptc": IPTC, "store": STORE}
"""Name of a block to one."""


def seeds() -> dict[str, bytes]:
    """A file of every format with every block that it can carry."""
    made = {name: maker(**{kind: BLOCKS[kind] for kind in sorted(kinds)}) for name, (maker, kinds) in MAKERS.items()}
    more = text("Copyright", "png notice") + text("parameters", "a\nSteps: 20, Sampler: Euler a, Seed: 1")
    rich = xmp(
        "<dc:creator><rdf:Seq><rdf:li>Ann</rdf:li><rdf:li>Ben</rdf:li></rdf:Seq></dc:creator>"
        "<cc:license rdf:resource='https://creativecommons.org/licenses/by/4.0/'/>",
        'plus:DataMining="http://ns.useplus.org/ldf/vocab/DMI-PROHIBITED" tdm:reservation="1"',
    )
    return {**made, "png-texts": png(more=more), "jpeg-rich": jpeg(xmp=rich), "gif-comment": gif(comment=b"noai")}

"""HEIF and AVIF files put together box by box, around pictures that real encoders coded."""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass

import pillow_heif
from PIL import Image

from nemo_curator.codecs.headers.boxes import boxes, find_box

Property = tuple[bytes, bytes]
"""Type and content of a property box."""

_ESSENTIAL = {b"av1C", b"hvcC", b"irot", b"imir", b"clap"}  # decoders refuse a file where they are not marked so


def box(kind: bytes, *contents: bytes) -> bytes:
    """A box."""
    body = b"".join(contents)
    return struct.pack(">I", len(body) + 8) + kind + body


def full(kind: bytes, *contents: bytes, version: int = 0, flags: int = 0) -> bytes:
    """A box with a version and flags."""
    return box(kind, struct.pack(">I", version << 24 | flags), *contents)


def ispe(width: int, height: int) -> Property:
    """The size of an item."""
    return b"ispe", struct.pack(">III", 0, width, height)


def clap(width: int, height: int) -> Property:
    """A crop to the middle of a picture."""
    return b"clap", struct.pack(">IIIIiIiI", width, 1, height, 1, 0, 1, 0, 1)


@dataclass(frozen=True)
class Part:
    """One item of a file: its type, its bytes, its properties, its media type, whether it is hidden."""

    kind: bytes
    data: bytes = b""
    properties: tuple[Property, ...] = ()
    content: bytes = b""
    hidden: bool = False


def coded(fmt: str, mode: str = "RGB", size: tuple[int, int] = (128, 64)) -> Part:
    """A gradient that a real encoder coded, as the first item of a file of its own."""
    image = Image.linear_gradient("L").resize(size).convert("RGB").convert(mode)
    out = io.BytesIO()
    if fmt == "avif":
        image.save(out, "AVIF", speed=10)
    else:
        pillow_heif.from_pillow(image).save(out, quality=50)
    data = out.getvalue()
    meta, mdat = find_box(data, 0, len(data), b"meta"), find_box(data, 0, len(data), b"mdat")
    iprp = find_box(data, meta[0] + 4, meta[1], b"iprp")
    ipco = find_box(data, *iprp, b"ipco")
    properties = [(kind, data[at:end]) for kind, at, end in boxes(data, *ipco)]
    wanted = [part for part in properties if part[0] in {b"av1C", b"hvcC", b"ispe", b"pixi"}]
    return Part(b"av01" if fmt == "avif" else b"hvc1", data[mdat[0] : mdat[1]], tuple(wanted))


def put_together(
    brands: bytes,
    parts: list[Part],
    references: tuple[tuple[bytes, int, int], ...] = (),
    primary: int = 1,
    *,
    wide: bool = False,
    in_meta: bool = False,
) -> bytes:
    """A file of items numbered from 1.

    Args:
        brands: Four letters, the major brand first.
        parts: The items.
        references: (type, from, to).
        primary: Which item is shown.
        wide: Whether the tables use their versions for large numbers.
        in_meta: Whether the data lies in the `idat` box.
    """
    ftyp = box(b"ftyp", brands[:4], bytes(4), brands)
    number = ">I" if wide else ">H"
    essential = 0x8000 if wide else 0x80
    infos, associations, everything = [], b"", []
    for i, part in enumerate(parts, 1):
        name = b"\0" + part.content + b"\0" if part.content else b"\0"
        body = struct.pack(number, i) + b"\0\0" + part.kind + name
        infos.append(full(b"infe", body, version=3 if wide else 2, flags=int(part.hidden)))
        indexes = range(len(everything) + 1, len(everything) + len(part.properties) + 1)
        everything += part.properties
        listed = b"".join(
            struct.pack(">H" if wide else ">B", index | (essential if prop[0] in _ESSENTIAL else 0))
            for index, prop in zip(indexes, part.properties, strict=True)
        )
        associations += struct.pack(number, i) + bytes([len(indexes)]) + listed
    count = struct.pack(">I" if wide else ">H", len(parts))
    iinf = full(b"iinf", count, *infos, version=int(wide))
    ipco = box(b"ipco", *(box(*prop) for prop in everything))
    ipma = full(b"ipma", struct.pack(">I", len(parts)), associations, version=int(wide), flags=int(wide))
    targets = (
        box(kind, struct.pack(number, source) + b"\0\1" + struct.pack(number, to)) for kind, source, to in references
    )
    iref = full(b"iref", *targets, version=int(wide)) if references else b""
    pitm = full(b"pitm", struct.pack(number, primary), version=int(wide))
    hdlr = full(b"hdlr", bytes(4), b"pict", bytes(13))
    data = b"".join(part.data for part in parts)

    def meta(start: int) -> bytes:
        entries = b""
        for i, part in enumerate(parts, 1):
            method = struct.pack(">H", int(in_meta)) if wide or in_meta else b""
            entries += struct.pack(number, i) + method + struct.pack(">HHII", 0, 1, start, len(part.data))
            start += len(part.data)
        version = 2 if wide else int(in_meta)
        iloc = full(b"iloc", b"\x44\x00", count, entries, version=version)
        idat = box(b"idat", data) if in_meta else b""
        return full(b"meta", hdlr, pitm, iloc, iinf, iref, box(b"iprp", ipco, ipma), idat)

    if in_meta:
        return ftyp + meta(0)
    return ftyp + meta(len(ftyp) + len(meta(0)) + 8) + box(b"mdat", data)

"""Damage that a decoder believes: edits of lengths, sizes and fields that keep checksums and outer lengths right.

Each edit is a pure function of bytes and a source of chance, and never fails: bytes that are not of its format
any more come back as they are.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from random import Random

from nemo_curator.kernels.sniff import sniff

SIDES = (0, 1, 2, 3, 7, 8, 16, 255, 256, 1000, 4096, 9999, 16_384, 20_000, 32_767, 32_768, 65_535)
"""Widths and heights in pixels that formats with two-byte sides can have."""

_LARGE = (*SIDES, 65_536, 2**24 - 1, 2**31 - 1, 2**31, 2**32 - 1)
_COUNTS = (0, 1, 2, 3, 100, 65_535, 65_536, 2**24, 2**31 - 1, 2**31, 2**32 - 1)
_BOXES = frozenset({b"meta", b"iprp", b"ipco", b"jp2h", b"moov", b"trak", b"mdia", b"minf", b"stbl", b"dinf", b"iref"})
_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def format_edit(data: bytes, random: Random) -> bytes:
    """Edit a field of the format that the first bytes say."""
    edit = FORMAT_EDITS.get(sniff(data) or "", fields)
    try:
        return edit(data, random)
    except (struct.error, ValueError, IndexError, StopIteration, zlib.error):  # not of that format any more
        return fields(data, random)


def png(data: bytes, random: Random) -> bytes:
    """A chunk with another length, body, place or number of copies, or other lines in it; its CRC is right again."""
    chunks = _png_chunks(data)
    at = random.randrange(len(chunks))
    name, body = chunks[at]
    how = random.choice(("sides", "header", "body", "body", "pixels", "pixels", "length", "twice", "without", "order"))
    if how == "sides":
        at, header = 0, bytearray(chunks[0][1])
        struct.pack_into(">I", header, random.choice((0, 4)), random.choice(_LARGE))
        chunks[0] = (b"IHDR", bytes(header))
    elif how == "header":
        header = bytearray(chunks[0][1])
        header[random.randrange(8, 13)] = random.choice((0, 1, 2, 3, 4, 6, 8, 16, 255))
        chunks[0] = (b"IHDR", bytes(header))
    elif how == "body" and body:
        chunks[at] = (name, _noise(body, random))
    elif how == "pixels":
        at = next(place for place, chunk in enumerate(chunks) if chunk[0] == b"IDAT")
        raw = zlib.decompressobj().decompress(chunks[at][1], 1_000_000)
        raw = _noise(raw, random) if random.random() < 0.5 else raw[: random.randint(0, len(raw))]
        chunks[at] = (b"IDAT", zlib.compress(raw * random.choice((1, 1, 2)), 1))
    elif how == "length":
        whole = b"".join(_png_chunk(*chunk) for chunk in chunks[:at])
        length = random.choice((*_COUNTS, max(0, len(body) - 1), len(body) + 1))
        body = (body + b"".join(chunk[1] for chunk in chunks[at + 1 :]))[:length]
        rest = b"".join(_png_chunk(*chunk) for chunk in chunks[at + 1 :])
        head = struct.pack(">I", length) + name + body
        return _SIGNATURE + whole + head + struct.pack(">I", zlib.crc32(name + body)) + rest
    elif how == "twice":
        chunks[at:at] = [chunks[at]] * random.choice((1, 2, 50))
    elif how == "without":
        del chunks[at]
    else:
        random.shuffle(chunks)
    return _SIGNATURE + b"".join(_png_chunk(*chunk) for chunk in chunks)


def _png_chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    """(name, body) of every chunk."""
    chunks, at = [], 8
    while at + 12 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        chunks.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + length]))
        at += 12 + length
    return chunks


def _png_chunk(name: bytes, body: bytes) -> bytes:
    """A chunk with its length and CRC."""
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def jpeg(data: bytes, random: Random) -> bytes:
    """A segment with another length, body, marker, place or number of copies, or a frame of another size."""
    segments, rest = _jpeg_segments(data)
    at = random.randrange(len(segments))
    marker, body = segments[at]
    how = random.choice(("sides", "frame", "body", "body", "tables", "length", "marker", "twice", "without", "scan"))
    frames = [
        place for place, one in enumerate(segments) if 0xC0 <= one[0] <= 0xCF and one[0] not in {0xC4, 0xC8, 0xCC}
    ]
    tables = [place for place, one in enumerate(segments) if one[0] in {0xC4, 0xDB, 0xDD, 0xDA}]
    if how in {"sides", "frame"}:
        at = frames[0]
        frame = bytearray(segments[at][1])
        if how == "sides":
            struct.pack_into(">H", frame, random.choice((1, 3)), random.choice(SIDES))
        else:
            frame[random.randrange(len(frame))] = random.choice((0, 1, 2, 3, 4, 8, 12, 0x11, 0x22, 0x44, 255))
        segments[at] = (segments[at][0], bytes(frame))
    elif how in {"body", "tables"} and body:
        at = random.choice(tables) if how == "tables" else at
        segments[at] = (segments[at][0], _noise(segments[at][1], random))
    elif how == "length":
        front = b"".join(_jpeg_segment(*one) for one in segments[:at])
        length = random.choice((0, 1, 2, 3, 255, 65_535, len(body) + 1, len(body) + 3))
        back = b"".join(_jpeg_segment(*one) for one in segments[at + 1 :])
        return b"\xff\xd8" + front + bytes((0xFF, marker)) + struct.pack(">H", length) + body + back + rest
    elif how == "marker":
        segments[at] = (random.choice((0xC0, 0xC1, 0xC2, 0xC3, 0xC9, 0xCA, 0xC4, 0xDB, 0xDA, 0xEE, 0xE1, 0xFE)), body)
    elif how == "twice":
        segments[at:at] = [segments[at]] * random.choice((1, 2, 200))
    elif how == "without":
        del segments[at]
    else:
        rest = _noise(rest, random) if rest else rest
    return b"\xff\xd8" + b"".join(_jpeg_segment(*one) for one in segments) + rest


def _jpeg_segments(data: bytes) -> tuple[list[tuple[int, bytes]], bytes]:
    """(marker, body) of all up to the first scan's header, and what follows it."""
    segments, at = [], 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        segments.append((data[at + 1], data[at + 4 : at + 2 + length]))
        at += 2 + max(length, 2)
        if segments[-1][0] == 0xDA:
            break
    return segments, data[at:]


def _jpeg_segment(marker: int, body: bytes) -> bytes:
    """A marker, its length, its body."""
    return bytes((0xFF, marker)) + struct.pack(">H", min(len(body) + 2, 65_535)) + body


def webp(data: bytes, random: Random) -> bytes:
    """A chunk of a RIFF with another size, body, name or number of copies, or a canvas of another size."""
    chunks, at = [], 12
    while at + 8 <= len(data):
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        chunks.append([data[at : at + 4], size, data[at + 8 : at + 8 + size]])
        at += 8 + size + size % 2
    chosen = random.choice(chunks)
    how = random.choice(("head", "head", "body", "size", "twice", "without", "outer"))
    if how == "head":  # sizes stand in the first bytes of every kind of chunk
        body = bytearray(chosen[2])
        body[random.randrange(min(16, len(body)))] = random.choice((0, 1, 0x10, 0x7F, 0xFF))
        chosen[2] = bytes(body)
    elif how == "body":
        chosen[2] = _noise(chosen[2], random)
    elif how == "size":
        chosen[1] = random.choice((*_COUNTS, chosen[1] + 1, chosen[1] - 1)) % 2**32
    elif how == "twice":
        chunks *= random.choice((2, 2, 40))
    elif how == "without":
        chunks.remove(chosen)
    packed = b"".join(name + struct.pack("<I", size) + body + bytes(len(body) % 2) for name, size, body in chunks)
    outer = random.choice(_COUNTS) if how == "outer" else len(packed) + 4
    return b"RIFF" + struct.pack("<I", outer) + b"WEBP" + packed


def boxes(data: bytes, random: Random) -> bytes:
    """A box of an ISO file (AVIF, HEIF, JPEG 2000, JPEG XL) with another size, name, number of copies or body."""
    found = _boxes(data, 0, len(data), 0)
    at, size, _ = random.choice(found)
    how = random.choice(("size", "extent", "body", "body", "name", "twice", "codestream"))
    if how == "size":
        return data[:at] + struct.pack(">I", random.choice((*_COUNTS, size + 1, size - 1)) % 2**32) + data[at + 4 :]
    if how == "extent":
        at = next(place for place, _, kind in found if kind in {b"ispe", b"ihdr"})
        at += 12 if data[at + 4 : at + 8] == b"ispe" else 8
        at += random.choice((0, 4))
        return data[:at] + struct.pack(">I", random.choice(_LARGE)) + data[at + 4 :]
    if how == "name":
        return data[: at + 4] + random.choice((b"free", b"meta", b"ispe", b"mdat", bytes(4))) + data[at + 8 :]
    if how == "twice":
        return data[: at + size] + data[at : at + size] * random.choice((1, 30)) + data[at + size :]
    if how == "codestream":
        return codestream(data, random)
    body = _noise(data[at + 8 : at + size], random) if size > 8 else b""
    return data[: at + 8] + body + data[at + size :]


def _boxes(data: bytes, at: int, end: int, depth: int) -> list[tuple[int, int, bytes]]:
    """(position, size, name) of every box, those inside too."""
    found: list[tuple[int, int, bytes]] = []
    while at + 8 <= end and len(found) < 500:
        size, name = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        size = min(size, end - at) if size >= 8 else end - at
        found.append((at, size, name))
        if name in _BOXES and depth < 6:
            found += _boxes(data, at + (12 if name in {b"meta", b"iref"} else 8), at + size, depth + 1)
        at += size
    return found


def codestream(data: bytes, random: Random) -> bytes:
    """A field of a JPEG 2000 codestream's size segment: sides, offsets, tiles, components.

    Source: ISO/IEC 15444-1, A.5.1.
    """
    at = data.index(b"\xff\x4f\xff\x51")
    if random.random() < 0.2:
        at += 40 + random.randrange(12)
        return data[:at] + bytes([random.choice((0, 1, 7, 15, 37, 0x7F, 0xFF))]) + data[at + 1 :]
    at += 8 + 4 * random.randrange(8)
    return data[:at] + struct.pack(">I", random.choice(_LARGE)) + data[at + 4 :]


def tiff(data: bytes, random: Random) -> bytes:
    """An entry of the first directory with another tag, type, count or value; or the link to the next."""
    order = "<" if data[:2] == b"II" else ">"
    start = struct.unpack_from(f"{order}I", data, 4)[0]
    entries = struct.unpack_from(f"{order}H", data, start)[0]
    edited = bytearray(data)
    if random.random() < 0.1:
        link = start + 2 + 12 * entries
        struct.pack_into(f"{order}I", edited, link, random.choice((start, 0, 8, 2**32 - 1)))
        return bytes(edited)
    at = start + 2 + 12 * random.randrange(entries)
    part = random.choice(("tag", "type", "count", "value", "value", "value"))
    if part == "tag":
        tag = random.choice((254, 256, 257, 258, 259, 262, 266, 273, 274, 277, 278, 279, 284, 317, 320, 322, 323, 339))
        struct.pack_into(f"{order}H", edited, at, tag)
    elif part == "type":
        struct.pack_into(f"{order}H", edited, at + 2, random.choice((0, 1, 2, 3, 4, 5, 11, 12, 13, 16, 255)))
    elif part == "count":
        struct.pack_into(f"{order}I", edited, at + 4, random.choice(_COUNTS))
    elif random.random() < 0.5:
        struct.pack_into(f"{order}I", edited, at + 8, random.choice((*_LARGE, len(data), start)))
    else:  # a short value has its two bytes in front, in either order
        struct.pack_into(f"{order}H", edited, at + 8, random.choice((*SIDES, 4, 5, 6, 32_773, 50_000)))
    return bytes(edited)


def gif(data: bytes, random: Random) -> bytes:
    """The screen, a frame's rectangle, its code size, or the length of a block."""
    edited = bytearray(data)
    how = random.choice(("screen", "frame", "frame", "code", "block", "flags"))
    if how == "screen":
        struct.pack_into("<H", edited, random.choice((6, 8)), random.choice(SIDES))
        return bytes(edited)
    if how == "flags":
        edited[10] = random.randrange(256)
        return bytes(edited)
    at = edited.index(b"\x2c", 13 + (3 << ((edited[10] & 7) + 1) if edited[10] & 0x80 else 0))
    if how == "frame":
        struct.pack_into("<H", edited, at + 1 + 2 * random.randrange(4), random.choice(SIDES))
        return bytes(edited)
    at += 10 + (3 << ((edited[at + 9] & 7) + 1) if edited[at + 9] & 0x80 else 0)
    edited[at + (how == "block")] = random.choice((0, 1, 2, 8, 11, 12, 13, 254, 255))
    return bytes(edited)


def fields(data: bytes, random: Random) -> bytes:
    """An aligned field of the first bytes, in either order: headers of fixed layout (BMP, DDS, ICO, PSD, SGI, FLI)."""
    if len(data) < 8:
        return data
    width = random.choice((1, 2, 2, 4, 4))
    at = random.randrange(2, min(len(data), 130) - width + 1) & ~1 if len(data) > 12 else 2
    value = random.choice(_LARGE) % 256**width
    return data[:at] + value.to_bytes(width, random.choice(("big", "little"))) + data[at + width :]


def netpbm(data: bytes, random: Random) -> bytes:
    """A number of a header of text, another number."""
    words = data[:40].split()
    chosen = random.choice(words[1:])
    value = random.choice((b"0", b"-1", b"1", b"9999", b"65535", b"65536", b"4294967296", b"9" * 30, b"1e9", b"x"))
    return data.replace(chosen, value, 1)


def _noise(data: bytes, random: Random) -> bytes:
    """The same bytes, one to twelve of them changed."""
    edited = bytearray(data)
    for _ in range(random.randint(1, 12)):
        edited[random.randrange(len(edited))] = random.choice((0, 1, 0x7F, 0x80, 0xFF, random.randrange(256)))
    return bytes(edited)


FORMAT_EDITS: dict[str, Callable[[bytes, Random], bytes]] = {
    "png": png,
    "jpeg": jpeg,
    "webp": webp,
    "avif": boxes,
    "heif": boxes,
    "jxl": lambda data, random: (boxes if data[:1] == b"\0" else fields)(data, random),
    "jpeg2000": lambda data, random: (boxes if data[:4] != b"\xff\x4f\xff\x51" else codestream)(data, random),
    "tiff": tiff,
    "gif": gif,
    "ppm": netpbm,
}
"""Format, as `kernels.sniff` names it, to its edit; every other has `fields`."""

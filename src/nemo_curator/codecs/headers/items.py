"""The items of a HEIF or AVIF: what is in its `meta` box, as tables.

Source: ISO/IEC 14496-12, section 8.11 (meta, pitm, iinf, iloc, iref, iprp); ISO/IEC 23008-12, section 9.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice

from nemo_curator.codecs.headers.boxes import boxes

_MOST_ASSOCIATIONS = 100_000
_MOST_ITEMS = 10_000  # a picture of 100 million pixels has some 400 tiles
_MOST_EXTENTS = 1000
_MOST_BYTES = 1 << 20  # of one block of metadata

Part = tuple[bytes, int, int]
"""Type, start and end of a property's content."""


@dataclass(slots=True)
class Item:
    """One item.

    Attributes:
        kind: Four letters: `av01`, `hvc1`, `grid`, `Exif`, `mime`, ….
        content: Its media type, where `kind` is `mime`.
        hidden: Whether it is not meant to be shown on its own.
    """

    kind: bytes
    content: bytes = b""
    hidden: bool = False


@dataclass(slots=True)
class Items:
    """The tables of a `meta` box.

    Attributes:
        primary: Number of the primary item; 0 where none is named.
        items: Number to item.
        references: (type, from, to) of every reference.
        properties: Number of an item to its properties, in their order.
        locations: (start, end) in the file of the `iloc` box, (0, 0) where there is none.
        payload: Start and end in the file of the `idat` box, (0, 0) where there is none.
    """

    primary: int = 0
    items: dict[int, Item] = field(default_factory=dict)
    references: list[tuple[bytes, int, int]] = field(default_factory=list)
    properties: dict[int, list[Part]] = field(default_factory=dict)
    locations: tuple[int, int] = (0, 0)
    payload: tuple[int, int] = (0, 0)


def read_items(data: bytes, start: int, end: int) -> Items:
    """Read a `meta` box.

    Args:
        data: The file.
        start: Where the content of the box begins.
        end: Where it ends.

    Returns:
        Its tables; of damaged ones, what stands before the damage.
    """
    found = Items()
    for kind, at, stop in boxes(data, start + 4, end):
        try:
            if kind == b"pitm":
                (found.primary,) = struct.unpack_from(">H" if data[at] == 0 else ">I", data, at + 4)
            elif kind == b"iinf":
                _read_infos(found, data, at, stop)
            elif kind == b"iref":
                _read_references(found, data, at, stop)
            elif kind == b"iprp":
                _read_properties(found, data, at, stop)
            elif kind == b"iloc":
                found.locations = (at, stop)
            elif kind == b"idat":
                found.payload = (at, stop)
        except (struct.error, IndexError):  # cut inside this table
            continue
    return found


def content_of(found: Items, data: bytes, number: int) -> bytes:
    """The bytes of an item, at most a million; b"" where they are not in this file.

    Args:
        found: The tables.
        data: The file.
        number: Which item.
    """
    try:
        method, extents = _extents(data, found.locations, number)
    except (struct.error, IndexError):
        return b""
    start, end = found.payload if method == 1 else (0, len(data))
    parts, left = [], _MOST_BYTES
    for offset, length in extents:
        at = start + offset
        part = data[at : min(end, at + min(length or end, left))]  # a length of 0: to the end
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def _read_infos(found: Items, data: bytes, start: int, end: int) -> None:
    first = start + (6 if data[start] == 0 else 8)
    for kind, at, stop in boxes(data, first, end):
        version = data[at]
        if kind != b"infe" or version not in {2, 3}:
            continue
        wide = version == 3
        number, name = struct.unpack_from(">I2x4s" if wide else ">H2x4s", data, at + 4)
        item = Item(name, hidden=bool(data[at + 3] & 1))
        if name == b"mime":  # a name and a media type follow, each ended by a zero
            texts = data[at + (14 if wide else 12) : min(stop, at + 512)].split(b"\0", 2)
            item.content = texts[1] if len(texts) > 1 else b""
        found.items[number] = item


def _read_references(found: Items, data: bytes, start: int, end: int) -> None:
    width, letter = (2, "H") if data[start] == 0 else (4, "I")
    for kind, at, stop in boxes(data, start + 4, end):
        source, count = struct.unpack_from(f">{letter}H", data, at)
        room = (stop - at - width - 2) // width
        count = min(count, room, _MOST_ITEMS - len(found.references))
        for target in struct.unpack_from(f">{max(count, 0)}{letter}", data, at + width + 2):
            found.references.append((kind, source, target))


def _read_properties(found: Items, data: bytes, start: int, end: int) -> None:
    parts: list[Part] = []
    budget = _MOST_ASSOCIATIONS  # over all boxes of them
    for kind, at, stop in boxes(data, start, end):
        if kind == b"ipco" and not parts:
            parts = list(boxes(data, at, stop))
        elif kind == b"ipma":
            for number, index in islice(_associations(data, at, stop), budget):
                budget -= 1
                if 1 <= index <= len(parts):
                    found.properties.setdefault(number, []).append(parts[index - 1])


def _associations(data: bytes, start: int, end: int) -> Iterator[tuple[int, int]]:
    """(item, index of a property from 1), in order."""
    item_width = 2 if data[start] == 0 else 4
    wide = data[start + 3] & 1
    (count,) = struct.unpack_from(">I", data, start + 4)
    at = start + 8
    for _ in range(min(count, _MOST_ITEMS)):
        if at + item_width >= end:
            return
        number = int.from_bytes(data[at : at + item_width], "big")
        indexes = data[at + item_width]
        at += item_width + 1
        for _ in range(indexes):
            yield number, (data[at] << 8 | data[at + 1]) & 0x7FFF if wide else data[at] & 0x7F
            at += 2 if wide else 1


def _extents(data: bytes, place: tuple[int, int], wanted: int) -> tuple[int, list[tuple[int, int]]]:
    """(method, [(offset, length), …]) of an item: method 0 counts in the file, 1 in the `idat` box."""
    start, end = place
    if start == end:
        return 0, []
    version = data[start]
    sizes, more = data[start + 4], data[start + 5]
    offset_size, length_size, base_size = sizes >> 4, sizes & 15, more >> 4
    index_size = more & 15 if version in {1, 2} else 0
    id_size = 4 if version == 2 else 2
    at = start + 6

    def number(width: int) -> int:
        nonlocal at
        at += width
        return int.from_bytes(data[at - width : at], "big")

    for _ in range(min(number(id_size), _MOST_ITEMS)):
        if at >= end:
            break
        item = number(id_size)
        method = number(2) & 15 if version in {1, 2} else 0
        elsewhere = number(2)
        base, count = number(base_size), number(2)
        if item != wanted:
            at += count * (index_size + offset_size + length_size)
            continue
        if elsewhere or method not in {0, 1}:
            break
        extents = []
        for _ in range(min(count, _MOST_EXTENTS)):
            number(index_size)
            extents.append((base + number(offset_size), number(length_size)))
        return method, extents
    return 0, []

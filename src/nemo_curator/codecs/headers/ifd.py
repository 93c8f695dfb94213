"""One directory of a TIFF structure, which EXIF shares: tags and where their values lie.

Source: TIFF 6.0, section 2; the BigTIFF design.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

_MOST_ENTRIES = 4096  # a real directory has a few dozen

# bytes of one value of each type: BYTE to DOUBLE, IFD, and BigTIFF's LONG8, SLONG8, IFD8
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_LETTERS = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 13: "I", 16: "Q", 17: "q", 18: "Q"}

_ENTRIES = {
    ("<", False): struct.Struct("<HHI"),
    (">", False): struct.Struct(">HHI"),
    ("<", True): struct.Struct("<HHQ"),
    (">", True): struct.Struct(">HHQ"),
}


@dataclass(frozen=True, slots=True)
class Field:
    """One entry of a directory.

    Attributes:
        kind: Type number of its values.
        count: How many values it claims.
        at: Where they begin in the structure; it may lie behind its end.
    """

    kind: int
    count: int
    at: int


@dataclass(frozen=True, slots=True)
class Directory:
    """The wanted fields of one directory.

    Attributes:
        data: The whole structure.
        order: `<` or `>`, for `struct`.
        fields: Tag to field.
    """

    data: bytes
    order: str
    fields: dict[int, Field]

    def integers(self, tag: int, most: int = 16) -> tuple[int, ...]:
        """The values of an integer tag, at most `most` of them; none where it is absent, of another type, or cut."""
        field = self.fields.get(tag)
        letter = _LETTERS.get(field.kind) if field else None
        if field is None or letter is None:
            return ()
        form = f"{self.order}{min(field.count, most)}{letter}"
        if field.at + struct.calcsize(form) > len(self.data):
            return ()
        return struct.unpack_from(form, self.data, field.at)

    def integer(self, tag: int) -> int | None:
        """The first value of an integer tag, or None."""
        values = self.integers(tag, 1)
        return values[0] if values else None

    def raw(self, tag: int, most: int = 1 << 20) -> bytes:
        """The bytes of a tag's values, at most `most` and as far as the file has them; b"" where it is absent."""
        field = self.fields.get(tag)
        if field is None:
            return b""
        return self.data[field.at : field.at + min(field.count * _SIZES.get(field.kind, 1), most)]


def read_directory(data: bytes, start: int, order: str, wanted: frozenset[int], *, big: bool = False) -> Directory:
    """Read one directory.

    Args:
        data: The whole structure.
        start: Where the directory begins.
        order: `<` for little-endian (II), `>` for big-endian (MM).
        wanted: Tags that are of interest.
        big: Whether it is a BigTIFF.

    Returns:
        Those of the wanted tags that are there, the first where one is repeated; of a cut directory, its beginning.
    """
    entry, head, each = _ENTRIES[order, big], 8 if big else 2, 20 if big else 12
    fields: dict[int, Field] = {}
    if start + head > len(data):
        return Directory(data, order, fields)
    (count,) = struct.unpack_from(order + ("Q" if big else "H"), data, start)
    inline = 8 if big else 4
    first = start + head
    last = min(first + each * min(count, _MOST_ENTRIES), len(data)) - each
    for at in range(first, last + 1, each):
        tag, kind, values = entry.unpack_from(data, at)
        if tag in wanted and tag not in fields:
            where = at + entry.size
            if _SIZES.get(kind, 1) * values > inline:
                (where,) = struct.unpack_from(order + ("Q" if big else "I"), data, where)
            fields[tag] = Field(kind, values, where)
    return Directory(data, order, fields)

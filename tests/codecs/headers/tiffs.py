"""TIFF structures, which EXIF blocks are too, made tag by tag."""

from __future__ import annotations

import struct

LETTERS = {1: "B", 2: "s", 3: "H", 4: "I", 7: "s", 16: "Q"}

Tags = dict[int, tuple[int, tuple[int, ...] | bytes]]
"""Tag to type and values."""


def directory(tags: Tags, start: int, order: str = "<", *, big: bool = False, following: int = 0) -> bytes:
    """One directory that begins at `start`, its longer values behind it."""
    word, inline, entry = ("Q", 8, 20) if big else ("I", 4, 12)
    after = start + (8 if big else 2) + entry * len(tags) + inline
    head, tail = struct.pack(order + ("Q" if big else "H"), len(tags)), b""
    for tag, (kind, values) in sorted(tags.items()):
        raw = values if isinstance(values, bytes) else struct.pack(f"{order}{len(values)}{LETTERS[kind]}", *values)
        head += struct.pack(f"{order}HH{word}", tag, kind, len(values))
        if len(raw) <= inline:
            head += raw.ljust(inline, b"\0")
        else:
            head += struct.pack(order + word, after + len(tail))
            tail += raw + bytes(len(raw) % 2)
    return head + struct.pack(order + word, following) + tail


def tiff(tags: Tags, order: str = "<", *, big: bool = False, inner: Tags | None = None) -> bytes:
    """A structure of one directory, and of an EXIF directory inside it where `inner` is given."""
    mark = b"II" if order == "<" else b"MM"
    start = 16 if big else 8
    head = mark + (struct.pack(order + "HHHQ", 43, 8, 0, start) if big else struct.pack(order + "HI", 42, start))
    if inner is None:
        return head + directory(tags, start, order, big=big)
    pointer = {0x8769: (4, (0,))}
    length = len(directory({**tags, **pointer}, start, order, big=big))
    main = directory({**tags, 0x8769: (4, (start + length,))}, start, order, big=big)
    return head + main + directory(inner, start + length, order, big=big)


def picture(width: int = 4, height: int = 3, **more: tuple[int, tuple[int, ...] | bytes]) -> Tags:
    """The tags of a small picture; `more` are others, by number with a `t` before it."""
    tags: Tags = {256: (4, (width,)), 257: (4, (height,)), 273: (4, (8,)), 278: (4, (height,)), 279: (4, (64,))}
    return {**tags, **{int(name[1:]): value for name, value in more.items()}}

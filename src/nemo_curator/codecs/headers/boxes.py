"""Boxes within boxes: the container of HEIF, AVIF, JPEG 2000 and JPEG XL.

Source: ISO/IEC 14496-12, section 4.2; ISO/IEC 15444-1, annex I.4.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

_HEAD = struct.Struct(">I4s")
_MOST = 10_000  # boxes on one level


def boxes(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """The boxes that lie one after the other in a part of a file.

    Args:
        data: The file.
        start: Where the first begins.
        end: Where the part ends.

    Yields:
        (type, start, end) of each box's content; the end is cut to that of the part. A box whose length is shorter
        than its own head ends the walk.
    """
    end = min(end, len(data))
    for _ in range(_MOST):
        if start + 8 > end:
            return
        length, kind = _HEAD.unpack_from(data, start)
        content = start + 8
        if length == 1:
            content += 8
            if content > end:
                return
            (length,) = struct.unpack_from(">Q", data, start + 8)
        elif length == 0:  # to the end
            length = end - start
        if start + length < content:
            return
        yield kind, content, min(start + length, end)
        start += length


def find_box(data: bytes, start: int, end: int, kind: bytes) -> tuple[int, int] | None:
    """(start, end) of the content of the first box of a type on one level, or None.

    Args:
        data: The file.
        start: Where the first box of the level begins.
        end: Where the level ends.
        kind: Four letters.
    """
    return next(((at, stop) for name, at, stop in boxes(data, start, end) if name == kind), None)

"""The pages of a TIFF. Pillow would parse every tag of every page to count them.

Source: TIFF 6.0, section 2, and the BigTIFF design.
"""

from __future__ import annotations

import struct


def count_pages(data: bytes, most: int) -> int:
    """The number of pages (image file directories in the main chain) of a TIFF or BigTIFF.

    Args:
        data: The file.
        most: Where to stop counting.

    Returns:
        1 to `most`; a chain that bites its tail, or leaves the file, ends there.
    """
    order = "<" if data[:2] == b"II" else ">"
    big = data[2:4] in {b"\x2b\0", b"\0\x2b"}
    word, count, entry = ("Q", "Q", 20) if big else ("I", "H", 12)
    at = 8 if big else 4
    seen: set[int] = set()
    try:
        while len(seen) < most:
            (start,) = struct.unpack_from(order + word, data, at)
            if start == 0 or start in seen:
                break
            (entries,) = struct.unpack_from(order + count, data, start)
            seen.add(start)
            at = start + struct.calcsize(order + count) + entries * entry
    except (struct.error, OverflowError):
        pass  # truncated: decoding tells whether the first page is whole
    return max(len(seen), 1)

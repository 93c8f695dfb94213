"""Small ICC profiles made here: a device's colours at the corners of a table, straight lines between them."""

from __future__ import annotations

import itertools
import math
import struct
from collections.abc import Callable, Sequence

Lab = tuple[float, float, float]

D50 = (0.9642, 1.0, 0.8249)


def inks() -> bytes:
    """A printer of CMYK whose paper is creamy and whose inks are pale, so that the plain formula does not equal it."""
    paper, pale = (0.95, 0.93, 0.84), ((0.75, 0.15, 0.05), (0.1, 0.7, 0.25), (0.02, 0.1, 0.75), (0.9, 0.9, 0.9))

    def colour(corner: Sequence[int]) -> Lab:
        left = [
            paper[channel] * math.prod(1 - ink[channel] for ink, full in zip(pale, corner, strict=True) if full)
            for channel in range(3)
        ]
        return _lab(left)

    return table(b"CMYK", b"prtr", 4, colour)


def _lab(red_green_blue: Sequence[float]) -> Lab:
    """CIE L*a*b* (D50) of linear sRGB, 0 to 1 (IEC 61966-2-1; Bradford adaptation)."""
    rows = ((0.4361, 0.3851, 0.1431), (0.2225, 0.7169, 0.0606), (0.0139, 0.0971, 0.7141))
    xyz = [sum(part * value for part, value in zip(row, red_green_blue, strict=True)) for row in rows]
    x, y, z = (_cube_root(part / white) for part, white in zip(xyz, D50, strict=True))
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def _cube_root(part: float) -> float:
    """The function f of CIE L*a*b*."""
    return part ** (1 / 3) if part > 216 / 24389 else (24389 / 27 * part + 16) / 116


def swapped_lab() -> bytes:
    """A Lab whose a* and b* have changed places, so that ignoring it is seen at once."""
    return table(
        b"Lab ", b"spac", 3, lambda corner: (corner[0] * 100.0, corner[2] * 255 - 128.0, corner[1] * 255 - 128.0)
    )


def table(space: bytes, kind: bytes, channels: int, colour: Callable[[Sequence[int]], Lab]) -> bytes:
    """An ICC profile of version 2 with one table of 8 bits (ICC.1:2001-04, sections 6.1 and 6.5.8).

    Args:
        space: The device's colour space, four letters.
        kind: The device's class, four letters.
        channels: How many the device has.
        colour: CIE L*a*b* (D50) of a corner, given as 0 or 1 of each channel.
    """
    corners = itertools.product((0, 1), repeat=channels)  # the last channel changes fastest
    nodes = b"".join(_encoded(colour(corner)) for corner in corners)
    straight = bytes(range(256))
    identity = struct.pack(">9i", *(65536 if i % 4 == 0 else 0 for i in range(9)))
    lookup = b"mft1" + struct.pack(">IBBBx", 0, channels, 3, 2) + identity + straight * channels + nodes + straight * 3
    white = b"XYZ " + bytes(4) + struct.pack(">3i", *(round(part * 65536) for part in D50))
    words = b"made by a test"
    title = b"desc" + struct.pack(">II", 0, len(words) + 1) + words + b"\0" + bytes(4 + 4 + 2 + 1 + 67)
    rights = b"text" + bytes(4) + b"no rights reserved\0"
    return _profile(space, kind, {b"desc": title, b"cprt": rights, b"wtpt": white, b"A2B0": lookup})


def _encoded(colour: Lab) -> bytes:
    """A colour as the tables of an ICC profile of version 2 hold it, in 8 bits."""
    light, a, b = colour
    return bytes(min(255, max(0, round(part))) for part in (light * 2.55, a + 128, b + 128))


def _profile(space: bytes, kind: bytes, tags: dict[bytes, bytes]) -> bytes:
    """A profile of some tags."""
    at = 128 + 4 + 12 * len(tags)
    directory, body = struct.pack(">I", len(tags)), b""
    for name, content in tags.items():
        directory += name + struct.pack(">II", at + len(body), len(content))
        body += content + bytes(-len(content) % 4)
    illuminant = struct.pack(">3i", *(round(part * 65536) for part in D50))
    header = (
        struct.pack(">I", at + len(body))
        + bytes(4)
        + struct.pack(">I", 0x02400000)
        + kind
        + space
        + b"Lab "
        + struct.pack(">6H", 2000, 1, 1, 0, 0, 0)
        + b"acsp"
        + bytes(28)
        + illuminant
    ).ljust(128, b"\0")
    return header + directory + body

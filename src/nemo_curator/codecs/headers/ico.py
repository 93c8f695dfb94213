"""The directory of a Windows icon.

Pillow decodes an icon as soon as it is opened, and trusts the directory although the pictures carry their own
size; limits come first here.

Source: Microsoft, "Icons in Win32"; BITMAPINFOHEADER; PNG IHDR.
"""

from __future__ import annotations

import struct

from nemo_curator.errors import DecodeError


def largest_picture(data: bytes) -> tuple[int, int]:
    """(width, height) in pixels of the largest picture, as the picture itself says.

    Args:
        data: The file.

    Raises:
        DecodeError: The directory has no entry that lies in the file.
    """
    if len(data) < 6:
        raise DecodeError("the ICO ends inside its directory")
    (count,) = struct.unpack_from("<H", data, 4)
    sizes = [_picture(data, 6 + 16 * i) for i in range(min(count, (len(data) - 6) // 16))]
    if not sizes:
        raise DecodeError("the ICO holds no picture")
    return max(sizes, key=lambda size: size[0] * size[1])


def _picture(data: bytes, entry: int) -> tuple[int, int]:
    (offset,) = struct.unpack_from("<I", data, entry + 12)
    if offset + 24 > len(data):
        raise DecodeError("the ICO is truncated: a picture lies behind its end")
    if data.startswith(b"\x89PNG", offset):
        width, height = struct.unpack_from(">II", data, offset + 16)
        return width, height
    width, height = struct.unpack_from("<ii", data, offset + 4)
    return abs(width), abs(height) // 2  # the mask lies below the picture and counts in the height

"""The directory of a Windows icon.

Pillow decodes an icon as soon as it is opened, and trusts the directory although the pictures carry their own
size; limits come first here.

Source: Microsoft, "Icons in Win32"; BITMAPINFOHEADER; PNG IHDR.
"""

from __future__ import annotations

import struct

from nemo_curator.errors import DecodeError
from nemo_curator.kernels.header import ImageHeader

_MOST_PICTURES = 4096


def read_ico(data: bytes, name: str, _most_frames: int) -> ImageHeader:
    """The header of the largest picture, as the picture itself says.

    Args:
        data: The file.
        name: Its format, for the header.

    Raises:
        DecodeError: The directory has no entry that lies in the file.
    """
    if len(data) < 6:
        raise DecodeError("the ICO ends inside its directory")
    (count,) = struct.unpack_from("<H", data, 4)
    pictures = [_picture(data, 6 + 16 * i) for i in range(min(count, (len(data) - 6) // 16, _MOST_PICTURES))]
    if not pictures:
        raise DecodeError("the ICO holds no picture")
    width, height, depth = max(pictures, key=lambda picture: picture[0] * picture[1])
    return ImageHeader(name, width, height, "RGBA", bit_depth=depth)


def _picture(data: bytes, entry: int) -> tuple[int, int, int]:
    """(width, height, bits a channel) of one picture."""
    (offset,) = struct.unpack_from("<I", data, entry + 12)
    if offset + 26 > len(data):
        raise DecodeError("the ICO is truncated: a picture lies behind its end")
    if data.startswith(b"\x89PNG", offset):
        return struct.unpack_from(">IIB", data, offset + 16)
    width, height, bits = struct.unpack_from("<ii2xH", data, offset + 4)
    return abs(width), abs(height) // 2, min(max(bits, 1), 8)  # the mask lies below and counts in the height

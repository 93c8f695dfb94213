"""The header of a Windows or OS/2 bitmap.

Source: Microsoft, "Bitmap Storage": BITMAPCOREHEADER, BITMAPINFOHEADER, BITMAPV4HEADER, BITMAPV5HEADER.
"""

from __future__ import annotations

import struct

from nemo_curator.errors import DecodeError
from nemo_curator.kernels.header import ImageHeader

_CORE = 12
_BITFIELDS = 3
_EMBEDDED_PROFILE = b"DEBM"  # "MBED" as a number, little-endian
# bits a pixel to bits a channel; 565 has six for green
_DEPTHS = {1: 1, 2: 2, 4: 4, 8: 8, 16: 5, 24: 8, 32: 8}


def read_bmp(data: bytes, name: str, _most_frames: int) -> ImageHeader:
    """Read the header, and the palette to know whether it is one of greys.

    Args:
        data: The file.
        name: Its format, for the header.

    Raises:
        DecodeError: The header is cut, or gives a number of bits that no bitmap has.
    """
    if len(data) < 26:
        raise DecodeError("the BMP ends inside its header")
    (size,) = struct.unpack_from("<I", data, 14)
    if size in {_CORE, 16}:
        width, height, bits = _short(data, size)
        compression = colours = 0
    else:
        if len(data) < 54:
            raise DecodeError("the BMP ends inside its header")
        width, height, bits, compression, colours = struct.unpack_from("<ii2xHI12xI", data, 18)
    if bits not in _DEPTHS:
        raise DecodeError(f"the BMP has {bits} bits a pixel, which none has")
    mode = "RGB"
    if bits <= 8:
        mode = _palette_mode(data, 14 + size, colours or 1 << bits, 3 if size == _CORE else 4)
    elif bits == 32 and compression == _BITFIELDS and _has_alpha(data, size):
        mode = "RGBA"
    has_icc = size >= 124 and data[70:74] == _EMBEDDED_PROFILE
    return ImageHeader(name, width, abs(height), mode, bit_depth=_DEPTHS[bits], has_icc=has_icc)


def _short(data: bytes, size: int) -> tuple[int, int, int]:
    """(width, height, bits a pixel) of the headers of OS/2, whose sides are 16 or 32 bits wide."""
    width, height, bits = struct.unpack_from("<HH2xH" if size == _CORE else "<II2xH", data, 18)
    return width, height, bits


def _palette_mode(data: bytes, at: int, colours: int, each: int) -> str:
    """`1` or `L` where the colours are the greys in order, as Pillow has it, else `P`."""
    if colours > 65_536:
        return "P"
    wanted = b"\0\xff" if colours == 2 else bytes(i & 255 for i in range(colours))
    table = data[at : at + each * colours]
    if all(table[channel::each] == wanted for channel in range(3)):
        return "1" if colours <= 2 else "L"
    return "P"


def _has_alpha(data: bytes, size: int) -> bool:
    """Whether one of the four masks is for alpha; Pillow takes no mask at all for the usual order with alpha."""
    masks = data[54:70]
    if len(masks) < 16 or size < 56:  # shorter headers have three masks
        return len(masks) >= 12 and not any(masks[:12])
    return any(masks[12:]) or not any(masks)

"""What a file is, from its first bytes: format, size, colour model, frames, orientation, words. No pixel is decoded."""

from __future__ import annotations

import struct
from collections.abc import Callable

from PIL import ImageFile

from nemo_curator.codecs.headers.bmp import read_bmp
from nemo_curator.codecs.headers.gif import read_gif
from nemo_curator.codecs.headers.ico import read_ico
from nemo_curator.codecs.headers.isobmff import read_isobmff
from nemo_curator.codecs.headers.jpeg import read_jpeg
from nemo_curator.codecs.headers.jpeg2000 import read_jpeg2000
from nemo_curator.codecs.headers.jxl import read_jxl
from nemo_curator.codecs.headers.png import largest_embedded, read_png
from nemo_curator.codecs.headers.ppm import read_ppm
from nemo_curator.codecs.headers.tiff import read_tiff
from nemo_curator.codecs.headers.webp import read_webp
from nemo_curator.codecs.limits import DEFAULT_LIMITS, Limits
from nemo_curator.codecs.listening import listening
from nemo_curator.codecs.plugins import open_lazily
from nemo_curator.codecs.trouble import decoding
from nemo_curator.errors import DecodeError, NotAnImageError
from nemo_curator.kernels.header import ImageHeader
from nemo_curator.kernels.sniff import sniff

Reader = Callable[[bytes, str, int], ImageHeader]
"""(the file, its format, where to stop counting frames) to its header."""

_LONGEST_SIDE = (1 << 32) - 1  # no format's picture is longer; a BigTIFF may claim that it is
_MOST_BITS = 64  # doubles in a TIFF


def probe(data: bytes, limits: Limits = DEFAULT_LIMITS) -> ImageHeader:
    """Read the header of an encoded image, whatever its name says.

    No decoder sees the bytes: every format that is in wide use has a parser of our own here, which allocates nothing
    for what a header claims. PSD, DDS, SGI, FLI and ICNS are opened by Pillow's parsers, which do not decode either.

    The orientation is that of EXIF, else of XMP, as Pillow has it. The rotation and mirror boxes of AVIF and HEIF
    are reported as the EXIF orientation of the same effect, and the EXIF orientation of a HEIF does not count; nor does
    that of a JPEG XL, whose codestream has its own. A JPEG has one frame, whatever previews or gain maps follow its
    picture.

    The caption is the first of these that is not empty, on one line, at most 4,096 characters of it:

    1. XMP `dc:description` (the default language, else the first),
    2. IPTC Caption/Abstract (2:120),
    3. EXIF ImageDescription,
    4. EXIF UserComment, else Windows' XPComment,
    5. XMP `dc:title`, then Windows' XPTitle,
    6. the text that a PNG calls Description, else Title, else Comment,
    7. the comment of a JPEG or a GIF.

    Args:
        data: The file; for most formats its first kilobytes are enough.
        limits: Only `frames` is used: counting stops one past it.

    Returns:
        The facts; `width` and `height` are as stored, before orientation.

    Raises:
        NotAnImageError: The first bytes are of no known image format.
        DecodeError: The format is known and the header is damaged.
    """
    name = sniff(data)
    if name is None:
        raise NotAnImageError("the file is empty" if not data else "the first bytes are of no known image format")
    with decoding(name):
        try:
            header = _READERS[name](data, name, limits.frames + 1)
        except (struct.error, IndexError):
            raise DecodeError(f"the {name} file ends inside its header") from None
    if not (0 < header.width <= _LONGEST_SIDE and 0 < header.height <= _LONGEST_SIDE):
        raise DecodeError(f"the header gives a size of {header.width} x {header.height} pixels")
    if not 1 <= header.bit_depth <= _MOST_BITS:
        raise DecodeError(f"the header gives {header.bit_depth} bits a channel")
    return header


def _icns(data: bytes, name: str, _most_frames: int) -> ImageHeader:
    with listening():
        image = open_lazily(data, name)
    width, height = max(image.size, largest_embedded(data) or (0, 0), key=lambda size: size[0] * size[1])
    return ImageHeader(name, width, height, "RGBA")


def _psd(data: bytes, name: str, _most_frames: int) -> ImageHeader:
    with listening():
        image = open_lazily(data, name)
    icc = image.info.get("icc_profile")
    return ImageHeader(name, *image.size, image.mode, bit_depth=int.from_bytes(data[22:24], "big"), has_icc=bool(icc))


def _fli(data: bytes, name: str, most_frames: int) -> ImageHeader:
    with listening():
        image = open_lazily(data, name)
    return ImageHeader(name, *image.size, image.mode, min(max(_frames(image), 1), most_frames))


def _sgi(data: bytes, name: str, _most_frames: int) -> ImageHeader:
    with listening():
        image = open_lazily(data, name)
    return ImageHeader(name, *image.size, image.mode, bit_depth=8 * data[3])  # bytes a sample


def _dds(data: bytes, name: str, _most_frames: int) -> ImageHeader:
    with listening():
        image = open_lazily(data, name)
    return ImageHeader(name, *image.size, image.mode)


def _frames(image: ImageFile.ImageFile) -> int:
    return int(getattr(image, "n_frames", 1))


_READERS: dict[str, Reader] = {
    "jpeg": read_jpeg,
    "png": read_png,
    "webp": read_webp,
    "gif": read_gif,
    "tiff": read_tiff,
    "bmp": read_bmp,
    "avif": read_isobmff,
    "heif": read_isobmff,
    "jpeg2000": read_jpeg2000,
    "jxl": read_jxl,
    "ppm": read_ppm,
    "ico": read_ico,
    "icns": _icns,
    "psd": _psd,
    "dds": _dds,
    "sgi": _sgi,
    "fli": _fli,
}

"""What a file is, from its first bytes: format, size, colour model, frames, orientation. No pixel is decoded."""

from __future__ import annotations

from collections.abc import Callable

from PIL import ImageFile

from nemo_curator.codecs.headers.exif import exif_orientation, xmp_orientation
from nemo_curator.codecs.headers.gif import read_blocks
from nemo_curator.codecs.headers.ico import largest_picture
from nemo_curator.codecs.headers.jpeg import read_markers
from nemo_curator.codecs.headers.png import largest_embedded, late_orientation
from nemo_curator.codecs.headers.tiff import count_pages
from nemo_curator.codecs.headers.webp import read_chunks
from nemo_curator.codecs.limits import DEFAULT_LIMITS, Limits
from nemo_curator.codecs.listening import listening
from nemo_curator.codecs.plugins import open_lazily
from nemo_curator.codecs.trouble import decoding
from nemo_curator.errors import DecodeError, NotAnImageError
from nemo_curator.kernels.header import ImageHeader
from nemo_curator.kernels.sniff import sniff

_JPEG_MODES = {1: "L", 3: "RGB", 4: "CMYK"}
_ORIENTATION_TAG = 0x0112
# whose parsers know their frames without a walk; the layers of a PSD are no frames
_FRAMES_KNOWN = {"png", "avif", "heif", "fli"}
_RAW_PROFILE = "Raw profile type exif"


def probe(data: bytes, limits: Limits = DEFAULT_LIMITS) -> ImageHeader:
    """Read the header of an encoded image, whatever its name says.

    The orientation is that of EXIF, else of XMP, as Pillow has it. AVIF's own rotation and mirror boxes are
    reported as the EXIF orientation of the same effect; HEIF's are applied by its decoder, so its size is upright
    and its orientation 1. A JPEG has one frame, whatever previews or gain maps follow its picture.

    Args:
        data: The whole file.
        limits: Only `frames` is used: counting stops one past it.

    Returns:
        The facts; `width` and `height` are as stored, before orientation.

    Raises:
        NotAnImageError: The first bytes are of no known image format.
        DecodeError: The format is known and the header is damaged, or there is no decoder for it.
        LimitError: A parser refuses the size on its own.
    """
    name = sniff(data)
    if name is None:
        raise NotAnImageError("the file is empty" if not data else "the first bytes are of no known image format")
    with listening(), decoding(name):
        header = _READERS.get(name, _by_pillow)(data, name, limits.frames + 1)
    if header.width <= 0 or header.height <= 0:
        raise DecodeError(f"the header gives a size of {header.width} x {header.height} pixels")
    return header


def _jpeg(data: bytes, name: str, _most_frames: int) -> ImageHeader:
    facts = read_markers(data)
    mode = _JPEG_MODES.get(facts.components)
    if mode is None:
        raise DecodeError(f"the JPEG has {facts.components} colour components; 1, 3 and 4 are known")
    return ImageHeader(name, facts.width, facts.height, mode, 1, facts.orientation)


def _webp(data: bytes, name: str, most_frames: int) -> ImageHeader:
    facts = read_chunks(data, most_frames)
    return ImageHeader(name, facts.width, facts.height, facts.mode, facts.frames, facts.orientation)


def _ico(data: bytes, name: str, _most_frames: int) -> ImageHeader:
    width, height = largest_picture(data)
    return ImageHeader(name, width, height, "RGBA")


def _icns(data: bytes, name: str, _most_frames: int) -> ImageHeader:
    image = open_lazily(data, name)
    width, height = max(image.size, largest_embedded(data) or (0, 0), key=lambda size: size[0] * size[1])
    return ImageHeader(name, width, height, "RGBA")


def _png(data: bytes, name: str, most_frames: int) -> ImageHeader:
    image = open_lazily(data, name)
    orientation = _orientation(image) or late_orientation(data) or 1
    frames = _frames(image, name, most_frames)
    return ImageHeader(name, *image.size, image.mode, frames, orientation)


def _gif(data: bytes, name: str, most_frames: int) -> ImageHeader:
    facts = read_blocks(data, most_frames)
    return ImageHeader(name, facts.width, facts.height, "P", facts.frames)


def _tiff(data: bytes, name: str, most_frames: int) -> ImageHeader:
    image = open_lazily(data, name)
    width, height = image.size
    turned = image.tag_v2.get(_ORIENTATION_TAG)  # type: ignore[attr-defined]  # TiffImageFile has it
    if turned in {5, 6, 7, 8}:  # Pillow gives the upright size for these before it turns the pixels
        width, height = height, width
    orientation = turned if turned in range(1, 9) else _orientation(image) or 1
    return ImageHeader(name, width, height, image.mode, count_pages(data, most_frames), orientation)


def _by_pillow(data: bytes, name: str, most_frames: int) -> ImageHeader:
    image = open_lazily(data, name)
    frames = _frames(image, name, most_frames)
    return ImageHeader(name, *image.size, image.mode, frames, _orientation(image) or 1)


def _frames(image: ImageFile.ImageFile, name: str, most: int) -> int:
    return min(max(int(getattr(image, "n_frames", 1)), 1), most) if name in _FRAMES_KNOWN else 1


def _orientation(image: ImageFile.ImageFile) -> int | None:
    """From what the parser put aside; `getexif` is avoided because it decodes a PNG that has no EXIF."""
    info = image.info
    exif = info.get("exif")
    if exif is None and isinstance(info.get(_RAW_PROFILE), str):  # ImageMagick's: a title, a length, then hex lines
        try:
            exif = bytes.fromhex("".join(info[_RAW_PROFILE].split("\n")[3:]))
        except ValueError:
            exif = None
    found = exif_orientation(exif) if isinstance(exif, bytes) else None
    xmp = info.get("xmp") or info.get("XML:com.adobe.xmp")
    if found is None and xmp:
        found = xmp_orientation(xmp.encode() if isinstance(xmp, str) else bytes(xmp))
    return found


_READERS: dict[str, Callable[[bytes, str, int], ImageHeader]] = {
    "jpeg": _jpeg,
    "webp": _webp,
    "ico": _ico,
    "icns": _icns,
    "png": _png,
    "gif": _gif,
    "tiff": _tiff,
}

"""An encoded image to another one: decoded, made smaller, encoded again. Equal bytes in give equal bytes out.

| of the image | in the new one |
|---|---|
| orientation (EXIF, XMP, boxes) | applied: the new picture is upright |
| transparency | kept where the format has it, else over the background |
| ICC profile of RGB or grey | kept, the pixels as they are; or applied, where the rendition says `srgb` |
| CMYK, YCCK, Lab | converted to sRGB, as `colour` has it |
| grey | grey, in JPEG and PNG |
| more than 8 bits a channel | 8 bits |
| frames after the first; EXIF, XMP, IPTC, comments | not carried over |
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import simplejpeg  # type: ignore[import-untyped]  # ships a stub, but not in the place for one
from PIL import Image, ImageCms

from nemo_curator.codecs.decode import read_picture
from nemo_curator.codecs.limits import Limits
from nemo_curator.codecs.memory_guard import guarded
from nemo_curator.codecs.picture import Picture, Pixels
from nemo_curator.codecs.plugins import open_lazily
from nemo_curator.codecs.probe import probe
from nemo_curator.codecs.rendition import KEEPS_ALPHA, Encode, Rendition, Target
from nemo_curator.codecs.trouble import decoding
from nemo_curator.codecs.views import resized, resized_with_alpha
from nemo_curator.errors import LimitError
from nemo_curator.kernels.header import ImageHeader

_LONGEST = {"jpeg": 65_500, "webp": 16_383, "avif": 65_535}  # the formats' own bounds; libjpeg's is its own
_AVIF_SPEED = 6  # libavif's own default
_WEBP_METHOD = 4  # libwebp's own default
_MOST_PROFILE = 1 << 22  # bytes; printers' profiles have one or two million
_SEGMENT = 65_519  # bytes of a profile that fit into one segment of a JPEG
_BAND_ROWS = 256
_SHEET_BYTES = 8  # a pixel: two pictures of four channels, one of which is made from the other
_ANY_SHEET = 32_000_000  # whatever the size: bands, and what converts colours
_CONVERTED = frozenset({"CMYK", "YCCK", "LAB"})  # these become sRGB when they are decoded


@dataclass(frozen=True, slots=True)
class Rendered:
    """An image as it leaves.

    Attributes:
        data: Its bytes.
        format: Its format.
        width: Its width in pixels, upright.
        height: Its height in pixels, upright.
    """

    data: bytes
    format: str
    width: int
    height: int


@dataclass(frozen=True, slots=True, eq=False)
class _Sheet:
    """A picture ready to be encoded: `(H, W, 1, 3 or 4)` uint8, and a profile that fits it."""

    pixels: Pixels
    profile: bytes


def render(data: bytes, rendition: Rendition) -> Rendered:
    """Make of an image what a rendition says.

    Args:
        data: The whole file.
        rendition: What it becomes.

    Returns:
        The new image; the very bytes that were given where the rendition changes neither format nor size.

    Raises:
        NotAnImageError: The bytes are no image.
        DecodeError: They do not decode, or the encoder refuses the picture.
        LimitError: The image is over a limit, or the new one over a bound of its format.
    """
    header = probe(data, rendition.limits)
    target = rendition.target(header.format, *header.upright_size)
    if target is None:
        return Rendered(data, header.format, *header.upright_size)
    _refuse_large(target, rendition.limits)
    picture = read_picture(
        data,
        header,
        rendition.limits,
        rendition.options,
        at_least=_enough(header, target, rendition),
        alpha=target.format in KEEPS_ALPHA,
    )
    memory = rendition.limits.memory - picture.pixels.nbytes - (0 if picture.alpha is None else picture.alpha.nbytes)
    need = min(memory, _SHEET_BYTES * target.width * target.height + _ANY_SHEET)
    sheet = guarded(partial(_sheet, data, header, picture, target, rendition), memory, need)
    del picture  # its memory is the encoder's now
    with decoding(target.format):
        work = partial(_ENCODERS[target.format], sheet, rendition.encode)
        encoded = guarded(work, rendition.limits.memory - sheet.pixels.nbytes)
    return Rendered(encoded, target.format, target.width, target.height)


def _refuse_large(target: Target, limits: Limits) -> None:
    longest = _LONGEST.get(target.format)
    if longest is not None and max(target.width, target.height) > longest:
        raise LimitError(
            f"it would be {target.width:,} x {target.height:,} pixels; {target.format} has {longest:,} a side at most",
            act="choose another format, or a smaller size",
        )
    if target.width * target.height > limits.pixels:
        raise LimitError(
            f"it would be {target.width:,} x {target.height:,} pixels, over the limit of {limits.pixels:,}"
        )


def _enough(header: ImageHeader, target: Target, rendition: Rendition) -> int:
    """The shorter side that decoding may stop at: twice what is wanted, where the recipe says `fast`; else 0."""
    shorter = 2 * min(target.width, target.height)
    return shorter if rendition.options.fast and shorter <= min(header.width, header.height) // 2 else 0


def _sheet(data: bytes, header: ImageHeader, picture: Picture, target: Target, rendition: Rendition) -> _Sheet:
    """The picture at its new size, in as few channels as it needs."""
    filter_ = rendition.resize.filter if rendition.resize is not None else "bicubic"
    size = target.width, target.height
    profile = _profile(data, header)
    if picture.alpha is not None:
        pixels = resized_with_alpha(picture.pixels, picture.alpha, size, filter_)
        return _in_colour(pixels, _of(b"RGB ", profile), rendition)
    pixels = resized(picture.pixels, size, filter_)
    red, green, blue = rendition.options.background
    if header.is_grey and red == green == blue and target.format in ("jpeg", "png"):
        return _Sheet(np.ascontiguousarray(pixels[..., :1]), _of(b"GRAY", profile))
    if rendition.encode.profile == "srgb" and pixels is picture.pixels:
        pixels = pixels.copy()  # this may be done again where memory runs out, and colours are converted once
    return _in_colour(pixels, _of(b"RGB ", profile), rendition)


def _in_colour(pixels: Pixels, profile: bytes, rendition: Rendition) -> _Sheet:
    """Pixels with their profile, or converted to sRGB in place where the rendition says so."""
    if profile and rendition.encode.profile == "srgb" and _applied(pixels, profile):
        profile = b""
    return _Sheet(pixels, profile)


def _profile(data: bytes, header: ImageHeader) -> bytes:
    """The ICC profile that the decoded pixels are in; nothing for sRGB, and where nobody can tell."""
    if not header.has_icc or header.mode in _CONVERTED or header.format == "jxl":
        return b""
    with decoding(header.format):
        profile: Any = open_lazily(data, header.format).info.get("icc_profile")
    return profile if isinstance(profile, bytes) and len(profile) <= _MOST_PROFILE else b""


def _of(space: bytes, profile: bytes) -> bytes:
    """A profile if it is of a colour space (ICC.1, section 7.2.6), else nothing."""
    return profile if profile[16:20] == space else b""


def _applied(pixels: Pixels, profile: bytes) -> bool:
    """Convert the colours of RGB or RGBA to sRGB in place; False, and nothing is changed, where littleCMS cannot."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        transform = ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), "RGB", "RGB")
        transform.apply(Image.new("RGB", (1, 1)))  # a profile may parse and still not convert
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return False
    for top in range(0, len(pixels), _BAND_ROWS):
        colours = pixels[top : top + _BAND_ROWS, :, :3]
        colours[...] = np.asarray(transform.apply(Image.fromarray(np.ascontiguousarray(colours))))
    return True


def _jpeg(sheet: _Sheet, encode: Encode) -> bytes:
    """Baseline, chroma halved both ways, accurate DCT."""
    grey = sheet.pixels.shape[2] == 1
    space, sampling = ("GRAY", "Gray") if grey else ("RGB", "420")
    data = bytes(simplejpeg.encode_jpeg(sheet.pixels, encode.quality, space, sampling))
    return data if not sheet.profile else _with_profile(data, sheet.profile)


def _with_profile(data: bytes, profile: bytes) -> bytes:
    """A JPEG with a profile behind its JFIF header. Source: ICC.1:2022, annex B.4."""
    pieces = [profile[at : at + _SEGMENT] for at in range(0, len(profile), _SEGMENT)]
    segments = [
        b"\xff\xe2" + struct.pack(">H", len(piece) + 16) + b"ICC_PROFILE\0" + bytes([number, len(pieces)]) + piece
        for number, piece in enumerate(pieces, 1)
    ]
    behind = 2
    if data[2:4] == b"\xff\xe0":  # JFIF wants to be first
        behind = 4 + int.from_bytes(data[4:6], "big")
    return data[:behind] + b"".join(segments) + data[behind:]


def _by_pillow(sheet: _Sheet, name: str, **options: Any) -> bytes:
    pixels = sheet.pixels[..., 0] if sheet.pixels.shape[2] == 1 else sheet.pixels
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, name, icc_profile=sheet.profile or None, **options)
    return out.getvalue()


def _png(sheet: _Sheet, _encode: Encode) -> bytes:
    return _by_pillow(sheet, "PNG", compress_level=6)


def _webp(sheet: _Sheet, encode: Encode) -> bytes:
    return _by_pillow(sheet, "WEBP", quality=encode.quality, method=_WEBP_METHOD)


def _avif(sheet: _Sheet, encode: Encode) -> bytes:
    """In one thread, because how a picture is divided among several could show in its bytes."""
    return _by_pillow(sheet, "AVIF", quality=encode.quality, speed=_AVIF_SPEED, max_threads=1)


_ENCODERS = {"jpeg": _jpeg, "png": _png, "webp": _webp, "avif": _avif}

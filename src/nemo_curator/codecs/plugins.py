"""Pillow's parsers, one a format, used directly.

`PIL.Image.open` tries every plugin on every file, applies a limit of its own, and its registry belongs to the
user's process. Here the format is known already, exactly one parser sees the bytes, our limits decide, and nothing
is registered anywhere (pillow-heif's opener in particular).
"""

from __future__ import annotations

import importlib
import io
from functools import cache

from PIL import ImageFile

from nemo_curator.errors import DecodeError

# format as `kernels.sniff` names it -> module and class of its lazy parser
_PARSERS = {
    "jpeg": ("PIL.JpegImagePlugin", "JpegImageFile"),
    "png": ("PIL.PngImagePlugin", "PngImageFile"),
    "webp": ("PIL.WebPImagePlugin", "WebPImageFile"),
    "gif": ("PIL.GifImagePlugin", "GifImageFile"),
    "tiff": ("PIL.TiffImagePlugin", "TiffImageFile"),
    "bmp": ("PIL.BmpImagePlugin", "BmpImageFile"),
    "avif": ("PIL.AvifImagePlugin", "AvifImageFile"),
    "heif": ("pillow_heif.as_plugin", "HeifImageFile"),
    "jpeg2000": ("PIL.Jpeg2KImagePlugin", "Jpeg2KImageFile"),
    "ico": ("PIL.IcoImagePlugin", "IcoImageFile"),
    "icns": ("PIL.IcnsImagePlugin", "IcnsImageFile"),
    "ppm": ("PIL.PpmImagePlugin", "PpmImageFile"),
    "psd": ("PIL.PsdImagePlugin", "PsdImageFile"),
    "dds": ("PIL.DdsImagePlugin", "DdsImageFile"),
    "sgi": ("PIL.SgiImagePlugin", "SgiImageFile"),
    "fli": ("PIL.FliImagePlugin", "FliImageFile"),
}

# compressions that Pillow's wheels are built without; libtiff would say so on the process's stderr
_TIFF_WITHOUT_DECODER = {"webp"}


@cache
def _parser(name: str) -> type[ImageFile.ImageFile] | None:
    if name not in _PARSERS:
        return None
    module, attribute = _PARSERS[name]
    parser: type[ImageFile.ImageFile] = getattr(importlib.import_module(module), attribute)
    return parser


def open_lazily(data: bytes, name: str) -> ImageFile.ImageFile:
    """Parse the header of an image; pixels are decoded when the result is loaded.

    Args:
        data: The file.
        name: Its format, as `kernels.sniff.sniff` names it.

    Returns:
        Pillow's image, not loaded.

    Raises:
        DecodeError: There is no decoder for this format or for its compression.
        Exception: Whatever the parser raises; `trouble.decoding` turns it into a `DecodeError`.
    """
    parser = _parser(name)
    if parser is None:
        raise DecodeError(f"there is no decoder for {name} images here")
    image = parser(io.BytesIO(data), "")
    if name == "tiff" and image.info.get("compression") in _TIFF_WITHOUT_DECODER:
        raise DecodeError(f"there is no decoder for TIFF compressed by {image.info['compression']} here")
    return image

"""Pillow's parsers, one a format, used directly.

`PIL.Image.open` tries every plugin on every file, applies a limit of its own, and its registry belongs to the
user's process. Here the format is known already, exactly one parser sees the bytes, our limits decide, and nothing
is registered anywhere (pillow-heif's opener in particular).

Where a parser is known to read pixels wrongly, what it missed is mended, or the file is refused: a picture of wrong
colours is worse than a record that says why there is none.
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
_TIFF_SUBSAMPLING = 530

_PNG_GREY_STEPS = {"L;2": 85, "L;4": 17}  # raw mode -> what one step becomes of 255


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
    if name == "ppm" and data.startswith(b"P7"):
        raise DecodeError("there is no decoder for PAM (P7) images here")
    image = parser(io.BytesIO(data), "")
    if name == "tiff":
        _refuse_tiff(image)
    elif name == "png":
        _mend_png(image)
    return image


def _refuse_tiff(image: ImageFile.ImageFile) -> None:
    compression = image.info.get("compression")
    if compression in _TIFF_WITHOUT_DECODER:
        raise DecodeError(f"there is no decoder for TIFF compressed by {compression} here")
    # TIFF 6.0, section 21: chroma of 2 x 2 where nothing is said; Pillow reads three bytes a pixel
    subsampling = image.tag_v2.get(_TIFF_SUBSAMPLING, (2, 2))  # type: ignore[attr-defined]  # TiffImageFile has it
    if image.mode == "YCbCr" and compression == "raw" and subsampling != (1, 1):
        raise DecodeError("there is no decoder for uncompressed TIFF with subsampled chroma here")


def _mend_png(image: ImageFile.ImageFile) -> None:
    """The transparent colour on the scale of the pixels, which Pillow brings to 8 bits without it.

    Of 16 bits the upper 8 are compared, because no more is left of the pixels.
    """
    transparent = image.info.get("transparency")
    if transparent is None or not image.tile:
        return
    stored = image.tile[0].args
    if stored in _PNG_GREY_STEPS and isinstance(transparent, int):
        image.info["transparency"] = transparent * _PNG_GREY_STEPS[stored]
    elif stored == "RGB;16B" and isinstance(transparent, tuple):
        image.info["transparency"] = tuple(value >> 8 for value in transparent)

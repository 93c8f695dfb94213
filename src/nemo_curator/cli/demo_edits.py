"""What goes wrong with pictures, done on purpose: fixed edits, the same bytes for the same library versions."""

from __future__ import annotations

import io

from PIL import Image, ImageEnhance, ImageFilter

_QUALITY = 90
_ORIENTATION = 0x0112
# what turns an upright picture into the stored one of an EXIF orientation
_STORED = {
    3: Image.Transpose.ROTATE_180,
    6: Image.Transpose.ROTATE_90,
    8: Image.Transpose.ROTATE_270,
}


def blurred(data: bytes, radius: float) -> bytes:
    """Out of focus; `radius` in pixels. A JPEG."""
    return _jpeg(_opened(data).filter(ImageFilter.GaussianBlur(radius)))


def exposed(data: bytes, factor: float) -> bytes:
    """Darker (below 1) or lighter by a factor. A JPEG."""
    return _jpeg(ImageEnhance.Brightness(_opened(data)).enhance(factor))


def shrunk(data: bytes, side: int) -> bytes:
    """At most `side` pixels on its longer side. A JPEG."""
    picture = _opened(data)
    picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    return _jpeg(picture)


def cropped(data: bytes, side: int) -> bytes:
    """The top left square of so many pixels. A PNG."""
    out = io.BytesIO()
    _opened(data).crop((0, 0, side, side)).save(out, "PNG")
    return out.getvalue()


def as_jpeg(data: bytes) -> bytes:
    """The same picture as a JPEG."""
    return _jpeg(_opened(data))


def truncated(data: bytes, share: float) -> bytes:
    """The first part of the file, as an interrupted download leaves it."""
    return data[: int(len(data) * share)]


def turned(data: bytes, orientation: int) -> bytes:
    """Stored on its side as cameras do, with the EXIF orientation (3, 6 or 8) that says how to hold it. A JPEG."""
    exif = Image.Exif()
    exif[_ORIENTATION] = orientation
    out = io.BytesIO()
    _opened(data).transpose(_STORED[orientation]).save(out, "JPEG", quality=_QUALITY, exif=exif)
    return out.getvalue()


def plain(width: int, height: int) -> bytes:
    """A picture of nothing: one colour. A PNG."""
    out = io.BytesIO()
    Image.new("RGB", (width, height), (136, 132, 126)).save(out, "PNG")
    return out.getvalue()


def _opened(data: bytes) -> Image.Image:
    with Image.open(io.BytesIO(data)) as picture:
        return picture.convert("RGB")


def _jpeg(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=_QUALITY)
    return out.getvalue()

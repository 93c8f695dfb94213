"""Every colour model of Pillow to 8-bit RGB.

| mode | what happens |
|---|---|
| RGB | as it is (an embedded RGB profile is not applied: models were trained without) |
| L, 1 | grey in all three channels |
| P | its palette |
| RGBA, LA, PA, P/L/RGB/1/I;16 with a transparent colour | composited over the background, white by default |
| I;16, I;16B, I;16L | 16 bits to 8, rounded: `(v + 128) // 257`; a TIFF whose white is zero is inverted |
| I | as 16 bits where all values are in 0..65535, else stretched from its smallest to its largest value |
| F | 0..1 times 255; 0..255 as it is; else stretched from its smallest to its largest value; not finite: black |
| CMYK | through the embedded ICC profile where it converts, else Pillow's naive conversion |
| LAB | to sRGB through the embedded ICC profile where it is one of Lab, else through CIE L*a*b* (D50) |
| La | its alpha is taken out of its grey, then as LA |
| YCbCr, HSV, others | Pillow's conversion |

Work is done in bands of rows, so that no second full picture in another mode is ever in memory.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms

from nemo_curator.codecs.options import DEFAULT_OPTIONS
from nemo_curator.codecs.picture import Pixels
from nemo_curator.errors import DecodeError

_Strip = Callable[[Image.Image], Pixels]

Colour = tuple[int, int, int]

_BAND_PIXELS = 1 << 21  # 2 million: 6 MB of RGB

_OPAQUE = 255

_TIFF_BITS, _TIFF_PHOTOMETRIC, _TIFF_SAMPLE_FORMAT = 258, 262, 339


def to_rgb(image: Image.Image, background: Colour = DEFAULT_OPTIONS.background) -> Pixels:
    """Convert a loaded picture.

    Args:
        image: A loaded Pillow image of any mode.
        background: Red, green and blue of what shows through transparent pixels.

    Returns:
        `(H, W, 3)` uint8 RGB, C-contiguous, writable, not turned.

    Raises:
        Exception: Whatever Pillow raises; `trouble.decoding` turns it into a `DecodeError`.
    """
    convert = _converter(image, background)
    width, height = image.size
    out = np.empty((height, width, 3), np.uint8)
    rows = max(1, _BAND_PIXELS // width)
    for top in range(0, height, rows):
        whole = rows >= height
        strip = image if whole else image.crop((0, top, width, min(height, top + rows)))
        out[top : top + rows] = convert(strip)
    return out


def to_rgb_and_alpha(image: Image.Image) -> tuple[Pixels, Pixels | None]:
    """Convert a loaded picture, and its transparency apart from it.

    Args:
        image: A loaded Pillow image of any mode.

    Returns:
        (`(H, W, 3)` uint8 RGB, `(H, W)` uint8 alpha; None where all of it is opaque). What a 16-bit grey names as its
        transparent colour is laid over white, as `to_rgb` does.

    Raises:
        Exception: As `to_rgb`.
    """
    if not image.has_transparency_data or image.mode.startswith("I;16") or image.mode in {"I", "F"}:
        return to_rgb(image), None
    width, height = image.size
    out, alpha = np.empty((height, width, 3), np.uint8), np.empty((height, width), np.uint8)
    rows = max(1, _BAND_PIXELS // width)
    for top in range(0, height, rows):
        strip = image.crop((0, top, width, min(height, top + rows)))
        both = np.asarray((strip.convert("LA") if strip.mode == "La" else strip).convert("RGBA"))
        out[top : top + rows], alpha[top : top + rows] = both[..., :3], both[..., 3]
    return out, None if alpha.min() == _OPAQUE else alpha


def _converter(image: Image.Image, background: Colour) -> _Strip:
    """The function for strips of this picture; it may look at the whole picture once, for ranges and profiles."""
    mode = image.mode
    if mode.startswith("I;16"):
        return _sixteen_bit(image, background)
    if mode in {"I", "F"}:
        return _ranged(image)
    if mode in {"P", "PA"} and image.palette is None:
        raise DecodeError("the picture has colour numbers and no palette")
    if image.has_transparency_data:
        return _over(background)
    if mode in {"CMYK", "LAB"}:
        return _managed(image) or _naive
    return _PLAIN.get(mode, _naive)


def _as_it_is(strip: Image.Image) -> Pixels:
    return np.asarray(strip)


def _grey(strip: Image.Image) -> Pixels:
    return np.asarray(strip.convert("L"))[..., None]


def _naive(strip: Image.Image) -> Pixels:
    return np.asarray(strip.convert("RGB"))


_PLAIN: dict[str, _Strip] = {"RGB": _as_it_is, "L": _grey, "1": _grey}


def _over(background: Colour) -> _Strip:
    def convert(strip: Image.Image) -> Pixels:
        # Pillow knows no way from premultiplied grey to RGBA, and LA on the way costs nothing
        with_alpha = (strip.convert("LA") if strip.mode == "La" else strip).convert("RGBA")
        below = Image.new("RGB", strip.size, background)
        below.paste(with_alpha.convert("RGB"), mask=with_alpha.getchannel("A"))
        return np.asarray(below)

    return convert


def _sixteen_bit(image: Image.Image, background: Colour) -> _Strip:
    transparent = image.info.get("transparency")
    # TIFF 6.0, section 4; Pillow inverts 1 and 8 bits by itself, and forgets 16
    inverted = _tags(image).get(_TIFF_PHOTOMETRIC) == 0

    def convert(strip: Image.Image) -> Pixels:
        values = np.asarray(strip).astype(np.uint32)
        grey = ((values + 128) // 257).astype(np.uint8)[..., None]
        if inverted:
            grey = np.uint8(255) - grey
        if not isinstance(transparent, int):
            return grey
        return np.where((values == transparent)[..., None], np.array(background, np.uint8), grey)

    return convert


def _ranged(image: Image.Image) -> _Strip:
    """Scaling for 32-bit integers and floats, by the range that the values really have."""
    unsigned = image.mode == "I" and _is_unsigned(image)
    low, high = _finite_range(image, unsigned=unsigned)
    if image.mode == "I" and low >= 0 and high <= 65535:
        low, high = 0.0, 65535.0
    elif image.mode == "F" and low >= 0 and high <= 255:
        low, high = 0.0, 1.0 if high <= 1 else 255.0
    scale = 255.0 / (high - low) if high > low else 0.0

    def convert(strip: Image.Image) -> Pixels:
        values = _values(strip, unsigned=unsigned).astype(np.float64)
        values = np.where(np.isfinite(values), values, low)
        return np.clip(np.rint((values - low) * scale), 0, 255).astype(np.uint8)[..., None]

    return convert


def _is_unsigned(image: Image.Image) -> bool:
    """Whether 32 bits a pixel are unsigned in the file; Pillow keeps them as signed all the same."""
    tags = _tags(image)
    return tags.get(_TIFF_BITS) == (32,) and tags.get(_TIFF_SAMPLE_FORMAT, (1,)) == (1,)


def _tags(image: Image.Image) -> Mapping[int, Any]:
    return getattr(image, "tag_v2", {})


def _values(image: Image.Image, *, unsigned: bool) -> npt.NDArray[Any]:
    values = np.asarray(image)
    return values.view(np.uint32) if unsigned else values


def _finite_range(image: Image.Image, *, unsigned: bool) -> tuple[float, float]:
    if not unsigned:
        low, high = (float(bound) for bound in image.getextrema())  # type: ignore[arg-type]  # one band: two numbers
        if np.isfinite([low, high]).all():
            return low, high
    values = _values(image, unsigned=unsigned)
    finite = values[np.isfinite(values)]
    return (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)


def _managed(image: Image.Image) -> _Strip | None:
    """Conversion by littleCMS, or None where no profile fits."""
    sources = [_embedded, _standard_lab] if image.mode == "LAB" else [_embedded]
    return next((transform for source in sources if (transform := _through(image, source)) is not None), None)


def _through(image: Image.Image, source: Callable[[Image.Image], ImageCms.ImageCmsProfile | None]) -> _Strip | None:
    try:
        profile = source(image)
        if profile is None:
            return None
        transform = ImageCms.buildTransform(profile, ImageCms.createProfile("sRGB"), image.mode, "RGB")
        transform.apply(Image.new(image.mode, (1, 1)))  # a profile may parse and still not convert
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None
    return lambda strip: np.asarray(transform.apply(strip))


def _embedded(image: Image.Image) -> ImageCms.ImageCmsProfile | None:
    embedded = image.info.get("icc_profile")
    if not embedded:
        return None
    profile = ImageCms.ImageCmsProfile(io.BytesIO(embedded))
    return profile if profile.profile.xcolor_space.strip().upper() == image.mode else None  # "CMYK", "Lab "


def _standard_lab(_image: Image.Image) -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))

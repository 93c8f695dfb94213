"""Small pictures cut from one decoded picture, each straight from full size by antialiased resampling.

The result is that of `PIL.Image.resize` followed by a crop: in all but about one value of 200 exactly, and several
times faster, where the picture shrinks; exactly where it grows. Only what the crop keeps is resampled, and only a
band of source rows at a time is copied for the resampler, so that a picture of 100 million pixels costs little more
than its own memory. Pillow 13 resamples tall pictures down before across, other versions never; here it is always
across first.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import cykooz_resizer as resampler  # type: ignore[import-untyped]
import numpy as np
from PIL import Image

from nemo_curator.codecs.decode import read_picture
from nemo_curator.codecs.limits import DEFAULT_LIMITS, Limits
from nemo_curator.codecs.options import DEFAULT_OPTIONS, DecodeOptions
from nemo_curator.codecs.picture import Picture, Pixels
from nemo_curator.codecs.probe import probe
from nemo_curator.errors import LimitError
from nemo_curator.kernels.header import ImageHeader
from nemo_curator.kernels.view import Filter, View

MOST_VIEW_PIXELS = 1 << 24
"""A view is no larger than this many pixels (16.8 million): 1 x 10,000 pixels enlarged without a crop would be."""

FAST_SIDE = 384
"""Shorter side in pixels of what the `fast` option decodes at least.

A constant, so that a view does not depend on the other views that are asked for. Measured on photographs
(`benchmarks/fast_decode.py`): less than this softens a view of 224 pixels visibly, more costs time and gains little.
"""

# Catmull-Rom is the cubic with a = -0.5, Pillow's BICUBIC
_FILTERS: dict[Filter, resampler.FilterType] = {
    "bicubic": resampler.FilterType.catmull_rom,
    "bilinear": resampler.FilterType.bilinear,
    "box": resampler.FilterType.box,
    "lanczos": resampler.FilterType.lanczos3,
}
_PILLOW_FILTERS: dict[Filter, Image.Resampling] = {
    "bicubic": Image.Resampling.BICUBIC,
    "bilinear": Image.Resampling.BILINEAR,
    "box": Image.Resampling.BOX,
    "lanczos": Image.Resampling.LANCZOS,
}
_REACH: dict[Filter, float] = {"bicubic": 2.0, "bilinear": 1.0, "box": 0.5, "lanczos": 3.0}  # in output pixels
_FOR_PEOPLE = DecodeOptions(truncated="accept")  # who see that the lower part is missing
_BAND_ROWS = 256
_BAND_BYTES = 4_000_000  # of source rows, and of the resampler's copy of them


def cut(pixels: Pixels, views: Sequence[View], size: tuple[int, int] | None = None) -> dict[View, Pixels]:
    """Cut every distinct view of a picture.

    Args:
        pixels: `(H, W, 3)` uint8 RGB, upright, C-contiguous.
        views: What is wanted; repeated views are cut once.
        size: (width, height) of the full picture, where `pixels` is a reduced one; a view has the same size either way.

    Returns:
        View to `(h, w, 3)` uint8, C-contiguous; never the memory of `pixels`. A view that neither resizes nor crops
        is a copy.

    Raises:
        LimitError: A view of this picture would have more than `MOST_VIEW_PIXELS` pixels.
    """
    size = size or (pixels.shape[1], pixels.shape[0])
    return {view: _cut(pixels, view, size) for view in dict.fromkeys(views)}


def read_views(
    data: bytes,
    header: ImageHeader,
    views: Sequence[View],
    limits: Limits = DEFAULT_LIMITS,
    options: DecodeOptions = DEFAULT_OPTIONS,
) -> tuple[Picture, dict[View, Pixels]]:
    """Decode an image once and cut its views; with `options.fast`, those that are small enough of a reduced decode.

    Args:
        data: The whole file.
        header: What `probe` said about it.
        views: What is wanted, at least one view or none at all.
        limits: Refused before anything is allocated.
        options: The choices of the recipe.

    Returns:
        The picture that was decoded (reduced, where only small views are wanted in `fast` mode) and its views.

    Raises:
        LimitError: The image, or a view of it, is over a limit.
        DecodeError: The bytes do not decode.
    """
    # a reduction to less than half is what saves time
    large = header.format == "jpeg" and min(header.width, header.height) >= 2 * FAST_SIDE
    small = [view for view in views if _is_small(view)] if options.fast and large else []
    cuts: dict[View, Pixels] = {}
    if small:
        picture = read_picture(data, header, limits, options, at_least=FAST_SIDE)
        cuts = cut(picture.pixels, small, header.upright_size)
    if len(cuts) < len(set(views)) or not views:
        picture = read_picture(data, header, limits, options)
        cuts |= cut(picture.pixels, [view for view in views if view not in cuts])
    return picture, cuts


def thumbnail(source: bytes | Pixels, side: int) -> Pixels:
    """A small picture for people to look at.

    Args:
        source: An encoded image, decoded at reduced size where its decoder can, or `(H, W, 3)` uint8 RGB pixels.
        side: Length of the longer side in pixels; a smaller picture is not enlarged.

    Returns:
        `(h, w, 3)` uint8 RGB, upright.

    Raises:
        SampleError: The bytes do not decode.
    """
    view = View(side, fit="long", enlarge=False)
    if isinstance(source, bytes):
        header = probe(source)
        longer, shorter = max(header.width, header.height), min(header.width, header.height)
        least = math.ceil(min(side, longer) * shorter / longer)
        source = read_picture(source, header, options=_FOR_PEOPLE, at_least=least).pixels
    return cut(source, [view])[view]


def resized(pixels: Pixels, size: tuple[int, int], filter_: Filter = "bicubic") -> Pixels:
    """A whole picture at another size, as `cut` makes it, however large.

    Args:
        pixels: `(H, W, 3)` uint8 RGB, C-contiguous.
        size: (width, height) in pixels.
        filter_: Resampling filter, antialiased.

    Returns:
        `(h, w, 3)` uint8, C-contiguous; the argument itself where the size stays.
    """
    height, width = pixels.shape[:2]
    if size == (width, height):
        return pixels
    if size[0] > width or size[1] > height:
        return _enlarge(pixels, size, (0, 0, *size), filter_)
    return _shrunk(pixels, size, (0, 0, *size), filter_)


def resized_with_alpha(pixels: Pixels, alpha: Pixels, size: tuple[int, int], filter_: Filter = "bicubic") -> Pixels:
    """A whole picture with transparency at another size; colour of what is transparent does not bleed into the rest.

    Args:
        pixels: `(H, W, 3)` uint8 RGB.
        alpha: `(H, W)` uint8.
        size: (width, height) in pixels.
        filter_: Resampling filter, antialiased.

    Returns:
        `(h, w, 4)` uint8 RGBA, C-contiguous.
    """
    out = np.empty((*alpha.shape, 4), np.uint8)
    out[..., :3], out[..., 3] = pixels, alpha
    if size == out.shape[1::-1]:
        return out
    picture = Image.fromarray(out).resize(
        size, _PILLOW_FILTERS[filter_]
    )  # which multiplies by alpha, and divides again
    out = np.empty((size[1], size[0], 4), np.uint8)
    for top in range(0, size[1], _BAND_ROWS):  # so that no second full picture is in memory
        bottom = min(size[1], top + _BAND_ROWS)
        out[top:bottom] = np.asarray(picture.crop((0, top, size[0], bottom)))
    return out


def _is_small(view: View) -> bool:
    """Whether a reduced decode is enough for a view."""
    return view.fit != "none" and max(view.size, view.crop or 0) <= FAST_SIDE


def _cut(pixels: Pixels, view: View, size: tuple[int, int]) -> Pixels:
    height, width = pixels.shape[:2]
    size_then = view.resized(*size)
    left, top, right, bottom = view.cropped(*size_then)
    if (right - left) * (bottom - top) > MOST_VIEW_PIXELS:
        raise LimitError(
            f"a view of {right - left:,} x {bottom - top:,} pixels, over the limit of {MOST_VIEW_PIXELS:,}",
            cause=f"the picture is {width:,} x {height:,}",
        )
    if size_then == (width, height):
        return pixels[top:bottom, left:right].copy()
    if size_then[0] > width or size_then[1] > height:
        return _enlarge(pixels, size_then, (left, top, right, bottom), view.filter)
    return _shrunk(pixels, size_then, (left, top, right, bottom), view.filter)


def _shrunk(pixels: Pixels, size: tuple[int, int], box: tuple[int, int, int, int], filter_: Filter) -> Pixels:
    """The part `box` of a picture made smaller, in bands of rows."""
    height, width = pixels.shape[:2]
    left, top, right, bottom = box
    out = np.empty((bottom - top, right - left, 3), np.uint8)
    rows = max(1, int(_BAND_BYTES / (width * 3 * (height / size[1]))))
    for row in range(top, bottom, rows):
        last = min(bottom, row + rows)
        out[row - top : last - top] = _resample(pixels, size, (left, row, right, last), filter_)
    return out


def _enlarge(pixels: Pixels, resized: tuple[int, int], box: tuple[int, int, int, int], filter_: Filter) -> Pixels:
    """By Pillow: where a picture grows, its order of passes shows, and only its own result equals it."""
    across, down = pixels.shape[1] / resized[0], pixels.shape[0] / resized[1]
    left, top, right, bottom = box
    region = (
        left * across,
        top * down,
        min(right * across, float(pixels.shape[1])),
        min(bottom * down, float(pixels.shape[0])),
    )
    return np.array(Image.fromarray(pixels).resize((right - left, bottom - top), _PILLOW_FILTERS[filter_], region))


def _resample(pixels: Pixels, resized: tuple[int, int], box: tuple[int, int, int, int], filter_: Filter) -> Pixels:
    """The part `box` (left, top, right, bottom) of `pixels` resized to `resized` (width, height)."""
    height, width = pixels.shape[:2]
    left, top, right, bottom = box
    across, down = width / resized[0], height / resized[1]
    # rows that the filter reaches from the part; more would only be copied
    reach = _REACH[filter_] * max(down, 1.0) + 1.0
    first = max(0, math.floor(top * down - reach))
    last = min(height, math.ceil(bottom * down + reach))
    rows = last - first
    source = resampler.ImageData(width, rows, resampler.PixelType.U8x3, pixels[first:last].tobytes())
    narrow = resampler.ImageData(right - left, rows, resampler.PixelType.U8x3)
    target = resampler.ImageData(right - left, bottom - top, resampler.PixelType.U8x3)
    algorithm = resampler.ResizeAlg.convolution(_FILTERS[filter_])
    # a resizer keeps buffers and is not shared; without a pool it works in this thread alone
    resizer = resampler.Resizer()
    # across, then down, as Pillow does it, which rounds in between; the resampler by itself does it the other way round
    for given, made, crop in (
        (source, narrow, _crop_box((left * across, 0, right * across, rows), (width, rows))),
        (narrow, target, _crop_box((0, top * down - first, right - left, bottom * down - first), (right - left, rows))),
    ):
        resizer.resize(given, made, resampler.ResizeOptions(algorithm, crop_box=crop))
    return np.frombuffer(target.get_buffer(), np.uint8).reshape(bottom - top, right - left, 3)


def _crop_box(box: tuple[float, float, float, float], size: tuple[int, int]) -> resampler.CropBox:
    """Clamped, because a sum of floats may end a hair outside the picture, which the resampler refuses."""
    left, top = max(0.0, box[0]), max(0.0, box[1])
    return resampler.CropBox(left, top, min(box[2], float(size[0])) - left, min(box[3], float(size[1])) - top)

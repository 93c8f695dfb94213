"""Encoded bytes to upright RGB pixels, or one sentence about why not.

Which decoder reads what stands in one table, `DECODERS`. What each colour model becomes stands in `colour`.
A file decodes whole or not at all: truncated and damaged pixels are a `DecodeError`, with two tolerances: stray bytes
between the segments of a JPEG, which cost no pixel, as every viewer has it; and a JPEG that ends too early, where
the user said so.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import simplejpeg  # type: ignore[import-untyped]  # ships a stub, but not in the place for one
from PIL import Image

from nemo_curator.codecs import native_words
from nemo_curator.codecs.colour import to_rgb, to_rgb_and_alpha
from nemo_curator.codecs.headers.jpeg import tidied
from nemo_curator.codecs.headers.png import verify_pixels
from nemo_curator.codecs.jxl import jxl_pixels, jxl_pixels_and_alpha
from nemo_curator.codecs.limits import DEFAULT_LIMITS, Limits, check
from nemo_curator.codecs.listening import distinct, listening
from nemo_curator.codecs.memory_guard import guarded, is_memory
from nemo_curator.codecs.memory_need import decoding_bytes
from nemo_curator.codecs.options import DEFAULT_OPTIONS, DecodeOptions
from nemo_curator.codecs.picture import Picture, Pixels
from nemo_curator.codecs.plugins import open_lazily
from nemo_curator.codecs.trouble import decoding, one_line
from nemo_curator.codecs.upright import upright
from nemo_curator.errors import DecodeError, SampleError
from nemo_curator.kernels.header import ImageHeader

# libjpeg's warning of a file that ends too early; it fills what is missing with grey. "Premature end of data segment"
# is another thing: data are missing in the middle, and what follows may be anything
_CUT = re.compile(r"premature end of JPEG file", re.IGNORECASE)
# what it says of a header, which costs no pixel
_UNTIDY = re.compile(r"extraneous bytes before marker|invalid SOS parameters", re.IGNORECASE)
# behind all pixels: no later warning is hidden by it
_BEFORE_END = re.compile(r"extraneous bytes before marker 0xd9", re.IGNORECASE)
# its warnings that mean wrong pixels; Pillow keeps them to itself and shows the damage. Unread bytes inside or between
# the scans are pixels that were lost, or hide others that are
_LOST_PIXELS = re.compile(
    r"premature end|bad huffman code|bad arithmetic code|instead of RST|extraneous bytes before marker 0x(?!d9)",
    re.IGNORECASE,
)
# what libtiff says of fax lines that it could not read; it goes on, and so does Pillow
_LOST_FAX = re.compile(
    r"Fax\w*: (?:Bad code word|Line length mismatch|Premature EO[FL]|Invalid code|Uncompressed data)"
)


@dataclass(frozen=True, slots=True)
class Request:
    """One file to decode.

    Attributes:
        data: The whole file.
        header: What `probe` said about it.
        limits: How large it may be.
        options: How, where there is a choice.
        at_least: 0 for the full picture, else the shorter side that is enough, in pixels.
        alpha: Whether transparency is wanted apart from the pixels, instead of a background behind them.
    """

    data: bytes
    header: ImageHeader
    limits: Limits = DEFAULT_LIMITS
    options: DecodeOptions = DEFAULT_OPTIONS
    at_least: int = 0
    alpha: bool = False


Decoder = Callable[[Request], Picture]


def decode(data: bytes, header: ImageHeader, limits: Limits = DEFAULT_LIMITS, *, at_least: int = 0) -> Pixels:
    """The pixels of an image's first frame, with the default options; see `read_picture`.

    Raises:
        LimitError: The image is over a limit.
        DecodeError: The bytes are damaged, truncated, or of a kind that no decoder here reads.
    """
    return read_picture(data, header, limits, at_least=at_least).pixels


def read_picture(
    data: bytes,
    header: ImageHeader,
    limits: Limits = DEFAULT_LIMITS,
    options: DecodeOptions = DEFAULT_OPTIONS,
    *,
    at_least: int = 0,
    alpha: bool = False,
) -> Picture:
    """Decode the first frame of an image.

    Args:
        data: The whole file.
        header: What `probe` said about it.
        limits: Refused before anything is allocated.
        options: The choices of the recipe.
        at_least: 0 for the full picture. Otherwise the shorter side that is enough, in pixels: a JPEG is then decoded
            by its decoder's own reduction to the smallest size of at least that, which is several times faster
            and softens the picture (for thumbnails and the `fast` option, never for a model by default); other formats
            are decoded in full.
        alpha: Whether transparency is wanted apart from the pixels, instead of a background behind them.

    Returns:
        Pixels that are upright (EXIF orientation applied), and what there is to say about them.

    Raises:
        LimitError: The image is over a limit, or its decoder took more memory than `limits.memory`.
        DecodeError: The bytes are damaged, truncated, or of a kind that no decoder here reads.
    """
    check(header, len(data), limits)
    decoder = DECODERS.get((header.format, header.mode)) or DECODERS.get((header.format, "*")) or DECODERS["*", "*"]
    request = Request(data, header, limits, options, at_least, alpha)
    with listening() as heard:
        picture = _heard(decoder, request, heard) if header.format == "tiff" else _bounded(decoder, request)
    warnings = distinct([*heard, *picture.warnings])
    return replace(picture, warnings=warnings) if warnings else picture


def _bounded(decoder: Decoder, request: Request) -> Picture:
    with decoding(request.header.format):
        picture = guarded(lambda: decoder(request), request.limits.memory, decoding_bytes(request.header))
    height, width = picture.pixels.shape[:2]
    if not request.at_least and (width, height) != request.header.upright_size:
        expected = "{:,} x {:,}".format(*request.header.upright_size)
        raise DecodeError(f"the picture is {width:,} x {height:,} pixels, and its header says {expected}")
    return picture


def _heard(decoder: Decoder, request: Request, heard: list[str]) -> Picture:
    """With an ear on libtiff, which tells what it finds wrong on the process's standard error only."""
    words: list[str] = []
    try:
        with native_words.hearing(words):
            picture = _bounded(decoder, request)
    except DecodeError as error:
        error.cause = error.cause or one_line("; ".join(words[:1]))
        raise
    finally:
        heard += words
    lost = next(filter(_LOST_FAX.search, words), None)
    if lost is not None:
        raise DecodeError(f"the tiff decoder lost pixels: {one_line(lost)}")
    return picture


def _jpeg(request: Request) -> Picture:
    """Grey, and colour in every other way than by inks."""
    return _by_libjpeg(request, "RGB", lambda pixels: pixels)


def _jpeg_of_inks(request: Request) -> Picture:
    """CMYK and YCCK, which are stored inverted: 0 is full ink, with Adobe's marker and without."""

    def rgb(inverted: Pixels) -> Pixels:
        inks = Image.fromarray(np.invert(inverted, out=inverted), "CMYK")
        inks.info["icc_profile"] = open_lazily(request.data, "jpeg").info.get("icc_profile")
        return to_rgb(inks, request.options.background)

    return _by_libjpeg(request, "CMYK", rgb)


def _by_libjpeg(request: Request, colours: str, rgb: Callable[[Pixels], Pixels]) -> Picture:
    """libjpeg-turbo, strict and accurate (slow DCT, smooth chroma), Pillow where it does not know the kind.

    Of several warnings only the first is told. So a header that is untidy is tidied before anything else is judged: it
    costs no pixel, and would hide what does.
    """
    data, least = request.data, request.at_least
    try:
        height, width, _, _ = simplejpeg.decode_jpeg_header(data, strict=False)
        _check_again(request, int(width), int(height))
        pixels: Pixels = simplejpeg.decode_jpeg(data, colours, min_height=least, min_width=least)
        return Picture(upright(rgb(pixels), request.header.orientation))
    except KeyError:  # a chroma subsampling that it has no name for
        return _pillow(request)
    except ValueError as error:
        if is_memory(error):
            raise
        text = one_line(error)
        clean = _UNTIDY.search(text) and tidied(data)
        if clean:
            picture = _by_libjpeg(replace(request, data=clean), colours, rgb)
            return replace(picture, warnings=(text, *picture.warnings))
        truncated = request.options.truncated == "accept" and bool(_CUT.search(text))
        if not truncated and _LOST_PIXELS.search(text):
            raise DecodeError(f"the jpeg decoder refused it: {text}") from error
        if not truncated and not _BEFORE_END.search(text):
            return _by_pillow_instead(request, text)
    pixels = simplejpeg.decode_jpeg(data, colours, min_height=least, min_width=least, strict=False)
    return Picture(upright(rgb(pixels), request.header.orientation), truncated, (text,))


def _by_pillow_instead(request: Request, text: str) -> Picture:
    """What libjpeg alone finds fault with; where Pillow does so too, libjpeg's words are the better ones."""
    try:
        return replace(_pillow(request), warnings=(text,))
    except SampleError:
        raise
    except Exception as error:
        raise DecodeError(f"the jpeg decoder refused it: {text}", cause=one_line(error)) from error


def _png(request: Request) -> Picture:
    verify_pixels(request.data)
    return _pillow(request)


def _pillow(request: Request) -> Picture:
    stored, orientation = _stored(request), request.header.orientation
    alpha = stored.alpha if stored.alpha is None else upright(stored.alpha[..., None], orientation)[..., 0]
    return Picture(upright(stored.pixels, orientation), alpha=alpha)


def _turned(request: Request) -> Picture:
    """Formats that their decoder turns by itself: Pillow turns a TIFF when it loads it, libheif every HEIF."""
    return _stored(request)


def _jpeg2000(request: Request) -> Picture:
    """Pillow 13 rounds white of more than 8 bits up to 256, and so to black, in colour."""
    header = request.header
    if header.bit_depth > 8 and not header.is_grey:
        raise DecodeError(f"there is no decoder for JPEG 2000 in colour of {header.bit_depth} bits a channel here")
    return _pillow(request)


def _jxl(request: Request) -> Picture:
    if request.alpha:
        pixels, alpha = jxl_pixels_and_alpha(request.data, request.header.bit_depth)
        return Picture(pixels, alpha=alpha)
    return Picture(jxl_pixels(request.data, request.header.bit_depth, request.options.background))


def _stored(request: Request) -> Picture:
    """The picture as stored, not turned."""
    image = open_lazily(request.data, request.header.format)
    # the parser may see another size than the probe did, in a file made to deceive
    _check_again(request, *image.size)
    image.load()
    if request.alpha:
        pixels, alpha = to_rgb_and_alpha(image)
        return Picture(pixels, alpha=alpha)
    return Picture(to_rgb(image, request.options.background))


def _check_again(request: Request, width: int, height: int) -> None:
    """The limits once more, where a decoder's own parser found another size than ours did."""
    if (width, height) != (request.header.width, request.header.height):
        check(replace(request.header, width=width, height=height), len(request.data), request.limits)


DECODERS: dict[tuple[str, str], Decoder] = {
    ("jpeg", "RGB"): _jpeg,
    ("jpeg", "L"): _jpeg,
    ("jpeg", "CMYK"): _jpeg_of_inks,
    ("jpeg", "YCCK"): _jpeg_of_inks,
    ("png", "*"): _png,
    ("tiff", "*"): _turned,
    ("heif", "*"): _turned,
    ("jpeg2000", "*"): _jpeg2000,
    ("jxl", "*"): _jxl,
    ("*", "*"): _pillow,
}
"""(format, mode) to decoder; `*` is any. The first that is there of exact, any mode, any format."""

"""Encoded bytes to upright RGB pixels, or one sentence about why not.

Which decoder reads what stands in one table, `DECODERS`. What each colour model becomes stands in `colour`.
A file decodes whole or not at all: truncated and damaged pixels are a `DecodeError`, with one tolerance, shared
with every viewer: stray bytes between the segments of a JPEG, which cost no pixel.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import simplejpeg  # type: ignore[import-untyped]  # ships a stub, but not in the place for one

from nemo_curator.codecs.colour import to_rgb
from nemo_curator.codecs.limits import DEFAULT_LIMITS, Limits, check
from nemo_curator.codecs.listening import listening
from nemo_curator.codecs.plugins import open_lazily
from nemo_curator.codecs.png import verify_pixels
from nemo_curator.codecs.trouble import decoding, one_line
from nemo_curator.codecs.upright import upright
from nemo_curator.errors import DecodeError
from nemo_curator.kernels.header import ImageHeader

Pixels = npt.NDArray[np.uint8]
Decoder = Callable[[bytes, ImageHeader, Limits, int], Pixels]

# libjpeg's warnings that mean wrong pixels; Pillow keeps them to itself and shows the damage
_LOST_PIXELS = re.compile(r"premature end|bad huffman code|bad arithmetic code|instead of RST", re.IGNORECASE)
# unread bytes before a restart marker are lost pixels too, but only in a file that defines restarts (DRI); in any
# other they are rubbish between two header segments
_BEFORE_RESTART = re.compile(r"extraneous bytes before marker 0xd[0-7]")
_RESTARTS = b"\xff\xdd\x00\x04"


def decode(data: bytes, header: ImageHeader, limits: Limits = DEFAULT_LIMITS, *, at_least: int = 0) -> Pixels:
    """Decode the first frame of an image.

    Args:
        data: The whole file.
        header: What `probe` said about it.
        limits: Refused before anything is allocated.
        at_least: 0 for the full picture. Otherwise the shorter side that is enough, in pixels: a JPEG is then decoded
            by its decoder's own reduction to the smallest size of at least that, which is several times faster
            and softens the picture (for statistics and thumbnails, never for a model); other formats are
            decoded in full.

    Returns:
        `(H, W, 3)` uint8 RGB, upright (EXIF orientation applied), C-contiguous, writable.

    Raises:
        LimitError: The image is over a limit.
        DecodeError: The bytes are damaged, truncated, or of a kind that no decoder here reads.
    """
    check(header, len(data), limits)
    decoder = DECODERS.get((header.format, header.mode)) or DECODERS.get((header.format, "*")) or DECODERS["*", "*"]
    with listening(), decoding(header.format):
        return decoder(data, header, limits, at_least)


def _jpeg(data: bytes, header: ImageHeader, limits: Limits, at_least: int) -> Pixels:
    """libjpeg-turbo, strict and accurate (slow DCT, smooth chroma), Pillow where it does not know the kind."""
    try:
        height, width, _, _ = simplejpeg.decode_jpeg_header(data, strict=False)
        check(replace(header, width=int(width), height=int(height)), len(data), limits)
        pixels: Pixels = simplejpeg.decode_jpeg(data, "RGB", min_height=at_least, min_width=at_least)
    except (ValueError, KeyError) as error:  # KeyError: a chroma subsampling that it has no name for
        if _LOST_PIXELS.search(str(error)) or (_BEFORE_RESTART.search(str(error)) and _RESTARTS in data):
            raise DecodeError(f"the jpeg decoder refused it: {one_line(error)}") from error
        return _pillow(data, header, limits, at_least)
    return upright(pixels, header.orientation)


def _png(data: bytes, header: ImageHeader, limits: Limits, at_least: int) -> Pixels:
    verify_pixels(data)
    return _pillow(data, header, limits, at_least)


def _pillow(data: bytes, header: ImageHeader, limits: Limits, _at_least: int) -> Pixels:
    return upright(_stored(data, header, limits), header.orientation)


def _tiff(data: bytes, header: ImageHeader, limits: Limits, _at_least: int) -> Pixels:
    """Pillow turns a TIFF by itself when it loads it."""
    return _stored(data, header, limits)


def _stored(data: bytes, header: ImageHeader, limits: Limits) -> Pixels:
    image = open_lazily(data, header.format)
    # the parser may see another size than the probe did, in a file made to deceive
    check(replace(header, width=image.size[0], height=image.size[1]), len(data), limits)
    image.load()
    return to_rgb(image)


DECODERS: dict[tuple[str, str], Decoder] = {
    ("jpeg", "RGB"): _jpeg,
    ("jpeg", "L"): _jpeg,
    ("jpeg", "CMYK"): _pillow,
    ("png", "*"): _png,
    ("tiff", "*"): _tiff,
    ("*", "*"): _pillow,
}
"""(format, mode) to decoder; `*` is any. The first that is there of exact, any mode, any format."""

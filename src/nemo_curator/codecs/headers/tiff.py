"""The first directory of a TIFF, and how many there are. Pillow would parse every tag of every page to count them.

Source: TIFF 6.0, sections 2 and 4 to 23; the BigTIFF design; Adobe, TIFF Technical Notes (XMP 700, ICC 34675, IPTC
33723).
"""

from __future__ import annotations

import struct

from nemo_curator.codecs.headers.exif import WANTED, facts_of
from nemo_curator.codecs.headers.ifd import Directory, read_directory
from nemo_curator.codecs.headers.iptc import iptc_of_resources
from nemo_curator.codecs.headers.metadata import Blocks, said_by
from nemo_curator.errors import DecodeError
from nemo_curator.kernels.header import ImageHeader

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 256, 257, 258, 259, 262
_ORIENTATION, _SAMPLES, _PLANES, _EXTRA, _SAMPLE_FORMAT = 274, 277, 284, 338, 339
_XMP, _IPTC, _PHOTOSHOP, _ICC = 700, 33723, 34377, 34675
_HERE = frozenset({_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _ORIENTATION, _SAMPLES, _PLANES, _EXTRA})
_ALL = WANTED | _HERE | {_SAMPLE_FORMAT, _XMP, _IPTC, _PHOTOSHOP, _ICC}

_BIG = frozenset({b"\x2b\0", b"\0\x2b"})
_RAW, _OLD_JPEG = 1, 6
_SIGNED, _FLOAT = 2, 3
# values of PhotometricInterpretation
_GREYS = frozenset({0, 1, 32803, 32844})  # white or black is zero, a sensor's mosaic, LogL
_RGB, _PALETTE, _MASK, _INKS, _YCBCR = 2, 3, 4, 5, 6
_LABS = frozenset({8, 9, 10})
_COLOURS = {_RGB: 3, _INKS: 4, _YCBCR: 3, 8: 3, 9: 3, 10: 3}
_GREY_ALPHA: dict[tuple[int, ...], str] = {(1,): "La", (2,): "LA"}
_ALPHAS = frozenset({1, 2, 999})  # ExtraSamples: associated, unassociated, and what Corel Draw 10 writes


def read_tiff(data: bytes, name: str, most_frames: int) -> ImageHeader:
    """The header of a TIFF or BigTIFF: that of its first page.

    Args:
        data: The file.
        name: Its format, for the header.
        most_frames: Where to stop counting pages.

    Returns:
        Its header; of a kind of pixels that Pillow does not know, the nearest of its modes.

    Raises:
        DecodeError: The first directory is cut, or gives no size.
    """
    order = "<" if data[:2] == b"II" else ">"
    big = data[2:4] in _BIG
    try:
        (start,) = struct.unpack_from(order + ("Q" if big else "I"), data, 8 if big else 4)
    except struct.error:
        raise DecodeError("the TIFF ends inside its header") from None
    page = read_directory(data, start, order, _ALL, big=big)
    width, height = page.integer(_WIDTH), page.integer(_HEIGHT)
    if width is None or height is None:
        raise DecodeError("the first directory of the TIFF is cut, or gives no size")
    blocks = Blocks(xmp=page.raw(_XMP), iptc=page.raw(_IPTC), has_icc=bool(page.raw(_ICC, 1)))
    if _PHOTOSHOP in page.fields and not blocks.iptc:
        blocks.iptc = iptc_of_resources(page.raw(_PHOTOSHOP))
    said = said_by(blocks, facts_of(page))
    turned = page.integer(_ORIENTATION)
    orientation = turned if turned is not None and 1 <= turned <= 8 else said.orientation
    bits = (page.integers(_BITS) or (1,))[0]
    frames = count_pages(data, most_frames)
    return ImageHeader(
        name,
        width,
        height,
        _mode(page, bits, order),
        frames,
        orientation,
        bits,
        blocks.has_icc,
        said.caption,
    )


def count_pages(data: bytes, most: int) -> int:
    """The number of pages (image file directories in the main chain) of a TIFF or BigTIFF.

    Args:
        data: The file.
        most: Where to stop counting.

    Returns:
        1 to `most`; a chain that bites its tail, or leaves the file, ends there.
    """
    order = "<" if data[:2] == b"II" else ">"
    big = data[2:4] in _BIG
    word, count, entry = ("Q", "Q", 20) if big else ("I", "H", 12)
    at = 8 if big else 4
    seen: set[int] = set()
    try:
        while len(seen) < most:
            (start,) = struct.unpack_from(order + word, data, at)
            if start == 0 or start in seen:
                break
            (entries,) = struct.unpack_from(order + count, data, start)
            seen.add(start)
            at = start + struct.calcsize(order + count) + entries * entry
    except (struct.error, OverflowError):
        pass  # truncated: decoding tells whether the first page is whole
    return max(len(seen), 1)


def _mode(page: Directory, bits: int, order: str) -> str:
    """The colour model in Pillow's words, as its table has it for what it reads."""
    photometric = page.integer(_PHOTOMETRIC) or 0
    compression = page.integer(_COMPRESSION) or _RAW
    if compression == _OLD_JPEG:  # whatever they say, such files are YCbCr
        photometric = _YCBCR
    extra = page.integers(_EXTRA)
    if page.integer(_PLANES) == 2 and extra and max(extra) == 0:
        extra = ()  # stored apart, so that they can be left out
    alpha = extra[:1]
    if photometric in _GREYS or photometric not in {*_COLOURS, _PALETTE, _MASK}:
        return _GREY_ALPHA.get(alpha) or _grey(page, bits, order, photometric)
    if photometric == _PALETTE:
        return "PA" if alpha == (2,) else "P"
    if photometric == _YCBCR:
        grey = page.integer(_SAMPLES) == 1
        return ("L" if grey else "YCbCr") if compression == _RAW else "RGB"  # libtiff converts what it unpacks
    if photometric == _RGB:
        samples = page.integer(_SAMPLES) or len(page.integers(_BITS))
        unsaid = samples == 4 and _EXTRA not in page.fields  # nothing says what the fourth one is
        return "RGBA" if unsaid or (alpha and alpha[0] in _ALPHAS) else "RGB"
    if photometric == _INKS:
        return "CMYK"
    return "LAB" if photometric in _LABS else "1"


def _grey(page: Directory, bits: int, order: str, photometric: int) -> str:
    kind = page.integer(_SAMPLE_FORMAT) or 1
    if kind == _FLOAT:
        return "F"
    if bits <= 8:
        return "1" if bits == 1 else "L"
    if bits > 16 or kind == _SIGNED:
        return "I"
    return "I;16B" if order == ">" and bits == 16 and photometric == 1 else "I;16"

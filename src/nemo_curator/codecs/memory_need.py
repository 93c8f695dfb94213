"""How much memory decoding takes, from the header alone: an upper bound for honest files.

Three amounts, each a number of bytes a pixel: what the decoder stores (`_STORED`, Pillow's picture), what it works with
beside that (`_HELD` until our picture is made, `_WORK` only before), and our picture of three bytes. The last
steps go in bands of rows (see `colour`), which costs the same for every large picture. A file that lies about itself
is stopped by `memory_guard`.

Measured with `benchmarks/decode_memory.py`, as the peak of a process that decodes one large picture, and rounded up.
"""

from __future__ import annotations

from nemo_curator.kernels.header import ImageHeader

_PICTURE = 3.0
_TURNING = 2 * _PICTURE  # one picture while the other is made from it; decoders are done then
_BAND_PIXELS = 1 << 21  # of `colour`
_BAND = 20.0  # bytes a pixel of a band
_WIDE_BAND = 40.0  # the same of 32-bit numbers, which are scaled as 64-bit ones
_ANY_PICTURE = 8_000_000
"""Bytes that decoders take whatever the size: windows, tables, threads."""

# bytes a pixel of Pillow's picture; 4 for every mode of two bands or more
_STORED = {"1": 1.0, "L": 1.0, "P": 1.0}
_STORED_DEEP = 2.0  # I;16 and its kin

# format -> bytes a pixel beside the stored picture until ours is made
_HELD: dict[str, float] = {
    "webp": 9,  # two canvases with transparency, and the lossless decoder's
    "avif": 4,  # the planes of colour and transparency
    "heif": 1,
}
_OTHER_HELD = 0.5
_AVIF_DEEP = 12  # of more than 8 bits: wider planes, and those that they are reduced to

# formats whose decoders first unpack all samples: bytes beside the stored picture for each byte of them
_WORK: dict[str, float] = {
    "tiff": 1.5,  # one strip or tile may hold everything, and a tile is larger than what it holds
    "ppm": 2.4,  # numbers written as text are read into a buffer that grows
    "heif": 1.2,  # unpacked whole before Pillow has it; ten bits take two bytes
}
_CHANNELS = {
    "1": 1,
    "L": 1,
    "P": 1,
    "I": 1,
    "F": 1,
    "LA": 2,
    "La": 2,
    "PA": 2,
    "RGB": 3,
    "YCbCr": 3,
    "LAB": 3,
    "HSV": 3,
}
_MOST_CHANNELS = 4


def decoding_bytes(header: ImageHeader) -> int:
    """Bytes that decoding an image takes at most, its picture included; encoded bytes are not counted.

    Args:
        header: What `probe` said.
    """
    each = max(_a_pixel(header), _TURNING if header.orientation != 1 else 0.0)
    band = _WIDE_BAND if header.mode in {"I", "F"} else _BAND
    pixels = max(header.pixels, header.coded_pixels)
    return int(pixels * each + min(pixels, _BAND_PIXELS) * band) + _ANY_PICTURE


def _a_pixel(header: ImageHeader) -> float:
    """Bytes a pixel of a picture so large that nothing else counts."""
    channels = _channels(header.mode)
    if header.format == "jpeg":  # a progressive one keeps two bytes a coefficient; inks are a picture of their own
        return 2 * channels + (_PICTURE if channels < _MOST_CHANNELS else 4)
    stored = _stored(header.mode)
    sample_bytes = -(-header.bit_depth // 8)
    if header.format == "jpeg2000":  # four bytes a sample, and a bit
        return _PICTURE + stored + 4.5 * channels
    if header.format == "jxl":  # a float a sample at times, and the samples as they are stored; no picture of Pillow's
        return _PICTURE + 6 * channels
    deep = header.format == "avif" and header.bit_depth > 8
    held = _AVIF_DEEP if deep else _HELD.get(header.format, _OTHER_HELD)
    work = _WORK.get(header.format, 0.0) * channels * sample_bytes
    if header.mode == "F":  # where some values are no numbers, the others are copied once to find their range
        work = max(work, 14.0)
    return stored + max(_PICTURE + held, work)


def _stored(mode: str) -> float:
    return _STORED_DEEP if mode.startswith("I;16") else _STORED.get(mode, 4.0)


def _channels(mode: str) -> int:
    return 1 if mode.startswith("I;16") else _CHANNELS.get(mode, _MOST_CHANNELS)

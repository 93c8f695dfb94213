"""How much memory decoding takes, from the header alone: an upper bound for honest files.

Measured with `benchmarks/decode_memory.py`, as the peak of a process that decodes one large picture, and rounded up.
"""

from __future__ import annotations

from nemo_curator.kernels.header import ImageHeader

_PICTURE = 3
"""Bytes a pixel of the result."""

# format -> bytes a pixel that its decoder holds while the result is made
_DECODERS: dict[str, float] = {
    "jpeg": 6,  # of a progressive one all coefficients are kept, two bytes each
    "png": 4,
    "webp": 8,
    "gif": 8,
    "tiff": 8,
    "avif": 12,
    "heif": 12,
    "jpeg2000": 20,
    "jxl": 24,
}
_OTHER = 8
_TURNED = 3  # a second picture while one is turned


def decoding_bytes(header: ImageHeader) -> int:
    """Bytes that decoding an image takes at most, its picture included; encoded bytes are not counted.

    Args:
        header: What `probe` said.
    """
    wide = max(1, header.bit_depth / 8) if header.format in {"avif", "heif", "tiff", "jpeg2000"} else 1
    each = _PICTURE + _DECODERS.get(header.format, _OTHER) * wide
    if header.orientation != 1:
        each += _TURNED
    return int(header.pixels * each)

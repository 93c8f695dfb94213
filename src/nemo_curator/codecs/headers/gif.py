"""The blocks of a GIF: screen, frames. Pillow would seek through every frame to count them.

Source: CompuServe GIF89a specification.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from nemo_curator.errors import DecodeError

_MOST_BLOCKS = 2_000_000  # sub-blocks of one byte would make a long walk of a short file
_IMAGE, _EXTENSION, _TRAILER = 0x2C, 0x21, 0x3B


@dataclass(frozen=True, slots=True)
class GifFacts:
    """Screen size in pixels, grown to hold the first frame as decoders do, and the number of frames."""

    width: int
    height: int
    frames: int


def read_blocks(data: bytes, most_frames: int) -> GifFacts:
    """Walk the blocks without decoding.

    Args:
        data: The file.
        most_frames: Where to stop counting frames.

    Returns:
        Its facts; of a damaged file, the frames before the damage.

    Raises:
        DecodeError: The file ends before its first frame.
    """
    if len(data) < 13:
        raise DecodeError("the GIF ends inside its header")
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    frames = 0
    at = 13 + _table(flags)
    budget = _MOST_BLOCKS
    try:
        while frames < most_frames and budget > 0:
            if data[at] == _IMAGE:
                if frames == 0:
                    x, y, w, h = struct.unpack_from("<HHHH", data, at + 1)
                    width, height = max(width, x + w), max(height, y + h)
                at += 11 + _table(data[at + 9])
                frames += 1
            elif data[at] == _EXTENSION:
                at += 2
            elif data[at] == _TRAILER:
                break
            else:  # a stray byte between blocks: decoders skip it
                at += 1
                budget -= 1
                continue
            while (length := data[at]) and budget > 0:
                at += length + 1
                budget -= 1
            at += 1
            budget -= 1
    except (IndexError, struct.error):
        pass  # truncated: what was counted stands, decoding tells whether the first frame is whole
    if frames == 0:
        raise DecodeError("the GIF ends before its first frame")
    return GifFacts(width, height, frames)


def _table(flags: int) -> int:
    """Bytes of the colour table that `flags` announce."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0

"""The blocks of a GIF: screen, frames, comment. Pillow would seek through every frame to count them.

Source: CompuServe GIF89a specification; Adobe, XMP Specification part 3, section 1.1.2.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

from nemo_curator.codecs.headers.metadata import Blocks, said_by
from nemo_curator.errors import DecodeError
from nemo_curator.kernels.header import ImageHeader

_INTRODUCER = re.compile(rb"[,!;]")
_MOST_BLOCKS = 1_000_000  # sub-blocks of one byte would make a long walk of a short file
_IMAGE, _EXTENSION, _TRAILER = 0x2C, 0x21, 0x3B
_COMMENT, _APPLICATION = 0xFE, 0xFF
_MOST_COMMENT = 32_768


def read_gif(data: bytes, name: str, most_frames: int) -> ImageHeader:
    """Walk the blocks without decoding.

    Args:
        data: The file.
        name: Its format, for the header.
        most_frames: Where to stop counting frames.

    Returns:
        Its header, its size grown to hold the first frame as decoders do; of a damaged file, the frames before the
        damage.

    Raises:
        DecodeError: The file ends before its first frame.
    """
    if len(data) < 13:
        raise DecodeError("the GIF ends inside its header")
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    depth = (flags & 7) + 1 if flags & 0x80 else 0
    frames = 0
    blocks = Blocks()
    try:
        for kind, start, end in walk(data, 13 + table_bytes(flags)):
            if kind != _IMAGE:
                _keep(blocks, kind, data, start, end)
                continue
            if frames == 0:
                x, y, w, h, local = struct.unpack_from("<HHHHB", data, start)
                width, height = max(width, x + w), max(height, y + h)
                depth = (local & 7) + 1 if local & 0x80 else depth
            frames += 1
            if frames >= most_frames:
                break
    except (IndexError, struct.error):
        pass  # truncated: what was counted stands, decoding tells whether the first frame is whole
    if frames == 0:
        raise DecodeError("the GIF ends before its first frame")
    caption = said_by(blocks).caption
    return ImageHeader(name, width, height, "P", frames, 1, depth or 8, blocks.has_icc, caption)


def walk(data: bytes, at: int) -> Iterator[tuple[int, int, int]]:
    """The blocks of a file.

    Args:
        data: The file.
        at: Where the first begins, behind the colour table of the screen.

    Yields:
        (kind, start, end) of every block: of a picture its head, of an extension (kind is its label) its sub-blocks.

    Raises:
        IndexError: The file ends without a trailer.
    """
    budget = _MOST_BLOCKS
    while budget > 0 and (kind := data[at]) != _TRAILER:
        if kind == _IMAGE:
            yield kind, at + 1, at + 10
            at += 11 + table_bytes(data[at + 9])
        elif kind == _EXTENSION:
            kind = data[at + 1]
            at += 2
        else:  # stray bytes between blocks: decoders skip them
            found = _INTRODUCER.search(data, at)
            at = found.start() if found else len(data)
            budget -= 1
            continue
        start = at
        while (length := data[at]) and budget > 0:
            at += length + 1
            budget -= 1
        at += 1
        budget -= 1
        if kind >= _COMMENT:
            yield kind, start, at


def table_bytes(flags: int) -> int:
    """Bytes of the colour table that `flags` announce."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _keep(blocks: Blocks, extension: int, data: bytes, start: int, end: int) -> None:
    """Put the first comment, and what known applications wrote, aside."""
    if extension == _COMMENT:
        blocks.comment = blocks.comment or joined(data, start, min(end, start + _MOST_COMMENT))
    elif data.startswith(
        b"XMP DataXMP", start + 1
    ):  # written without sub-blocks: the walk leads to its end all the same
        blocks.xmp = blocks.xmp or data[start + 12 : end]
    elif data.startswith(b"ICCRGBG1", start + 1):
        blocks.has_icc = True


def joined(data: bytes, at: int, end: int) -> bytes:
    """What is in sub-blocks, without their lengths.

    Args:
        data: The file.
        at: Where the first begins.
        end: Where to stop at the latest.

    Raises:
        IndexError: The file ends inside them.
    """
    parts = []
    while at < end and (length := data[at]):
        parts.append(data[at + 1 : at + 1 + length])
        at += length + 1
    return b"".join(parts)

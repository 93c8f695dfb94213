"""Compressed shards to a stream of plain bytes: as much as there is before any damage, in bounded memory.

The compression is known by its first bytes, whatever the name says.

Source: RFC 1952 (gzip), RFC 8878 (Zstandard; section 3.1.2 has the frames to pass over).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import suppress
from typing import BinaryIO

import zstandard

HEAD_BYTES = 4
"""How many first bytes `plain_pieces` needs to know the compression."""

_GZIP = b"\x1f\x8b"
# a frame of data, or one to pass over: pzstd begins with such
_ZSTD = (b"\x28\xb5\x2f\xfd", *(bytes([0x50 + one]) + b"\x2a\x4d\x18" for one in range(16)))
_READ = 1 << 20
_PIECE = 1 << 14  # compressed bytes at a time: deflate makes at most a thousand times as much of them
_OUT = 1 << 16  # plain bytes at a time, and the most that damage to a Zstandard stream costs before it


class StreamDamageError(Exception):
    """The stream cannot be read further; the message says why. Everything before was yielded."""


def is_compressed(head: bytes) -> bool:
    """Whether a file that begins with `head` is of a compression that is understood."""
    return head.startswith((_GZIP, *_ZSTD))


def plain_pieces(source: BinaryIO, head: bytes) -> Iterator[bytes]:
    """The uncompressed bytes of `source`, in pieces of at most some megabytes.

    Args:
        source: A file at its beginning.
        head: Its first bytes.

    Raises:
        StreamDamageError: After all that could be read.
    """
    try:
        if head.startswith(_GZIP):
            yield from _gunzip(source)
        elif head.startswith(_ZSTD):
            yield from _unzstd(source)
        else:
            while piece := source.read(_READ):
                yield piece
    except OSError as error:
        raise StreamDamageError(f"the storage fails ({error.strerror or error})") from error


def _gunzip(source: BinaryIO) -> Iterator[bytes]:
    """Gzip, of one stream or several joined ones, with zeros allowed behind each."""
    engine, begun = zlib.decompressobj(wbits=31), False
    while piece := source.read(_PIECE):
        while piece:
            if not begun:
                piece = piece.lstrip(b"\0")
                if piece and piece[0] != _GZIP[0]:
                    raise StreamDamageError("the gzip stream is followed by something else")
                if not piece:
                    break
            before, begun = engine.copy(), True
            try:
                yield engine.decompress(piece)
            except zlib.error as error:
                yield _until_error(before, piece)
                raise StreamDamageError(f"the gzip stream is damaged ({error})") from None
            piece = engine.unused_data
            if engine.eof:
                engine, begun = zlib.decompressobj(wbits=31), False
    if begun:
        raise StreamDamageError("the gzip stream ends too early")


def _until_error(engine: zlib._Decompress, piece: bytes) -> bytes:
    """What `piece` holds before its damage, found byte by byte; it happens once a stream."""
    found = bytearray()
    with suppress(zlib.error):
        for at in range(len(piece)):
            found += engine.decompress(piece[at : at + 1])
    return bytes(found)


def _unzstd(source: BinaryIO) -> Iterator[bytes]:
    """Zstandard, of one frame or several joined ones. A stream that ends early shows in the tar inside."""
    engine = zstandard.ZstdDecompressor().stream_reader(
        source, read_size=_PIECE, read_across_frames=True, closefd=False
    )
    try:
        while piece := engine.read1(_OUT):
            yield piece
    except zstandard.ZstdError as error:
        raise StreamDamageError(f"the Zstandard stream is damaged ({error})") from None

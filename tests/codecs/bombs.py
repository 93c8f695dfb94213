"""Files that cost a careless reader gigabytes or minutes; each is small, and most are valid.

A stretch of zeros is deflated once, with a full flush, and its code repeated: gigabytes are packed in milliseconds.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

from tests.codecs.seeds import fli, icns, made_seeds, png_chunk, psd

from nemo_curator.testing import photo

_MEGABYTE = 1 << 20
_GIGABYTE = 10**9
_ADLER_BASE = 65_521


def deflated_zeros(count: int, first: bytes = b"") -> bytes:
    """A zlib stream of some bytes and then `count` zeros. Source: RFC 1950; the checksum of zeros is RFC 1950, 9."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    start = packer.compress(first) + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(bytes(_MEGABYTE)) + packer.flush(zlib.Z_FULL_FLUSH)
    whole, rest = divmod(count, _MEGABYTE)
    end = packer.compress(bytes(rest)) + packer.flush()
    low, high = zlib.adler32(first) & 0xFFFF, zlib.adler32(first) >> 16
    checksum = (high + count * low) % _ADLER_BASE << 16 | low
    return b"\x78\xda" + start + block * whole + end + struct.pack(">I", checksum)


def png(width: int, height: int, *, zeros: int | None = None, before: bytes = b"") -> bytes:
    """Black RGB; its pixels are whole where `zeros` is not given."""
    count = height * (3 * width + 1) if zeros is None else zeros
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    pixels = png_chunk(b"IDAT", deflated_zeros(count))
    return b"\x89PNG\r\n\x1a\n" + header + before + pixels + png_chunk(b"IEND", b"")


def png_with(name: bytes) -> bytes:
    """A small picture before whose pixels a chunk inflates to a gigabyte."""
    head = {
        b"zTXt": b"Comment\0\0",
        b"iTXt": b"Comment\0\1\0\0\0",
        b"iCCP": b"profile\0\0",
    }[name]
    return png(40, 30, before=png_chunk(name, head + deflated_zeros(_GIGABYTE)))


def apng_of_many_frames() -> bytes:
    """An animation that claims four billion frames, and has one."""
    return png(40, 30, before=png_chunk(b"acTL", struct.pack(">II", 2**32 - 1, 0)))


def jpeg(side: int, *, progressive_scans: int = 0) -> bytes:
    """Grey all over and whole: a code of one bit each for "no difference" and "end of block".

    Args:
        side: Pixels; a multiple of 8.
        progressive_scans: 0 for a baseline picture, else how many scans say nothing, each over the whole of it.

    Source: ITU-T T.81, B.2 and F.1.2.
    """
    tables = b"".join(_segment(0xC4, bytes([kind]) + b"\1" + bytes(15) + b"\0") for kind in (0x00, 0x10))
    quantization = _segment(0xDB, b"\0" + b"\1" * 64)
    components = b"".join(bytes([number, 0x11, 0]) for number in (1, 2, 3))
    frame = struct.pack(">BHHB", 8, side, side, 3) + components
    blocks = (side // 8) ** 2
    if progressive_scans:
        frame = _segment(0xC2, frame)
        first = _segment(0xDA, b"\3\1\0\2\0\3\0\0\0\0") + bytes((3 * blocks + 7) // 8)
        more = _segment(0xDA, b"\1\1\0\1\x3f\0") + bytes((blocks + 7) // 8)
        scans = first + more * progressive_scans
    else:
        frame = _segment(0xC0, frame)
        scans = _segment(0xDA, b"\3\1\0\2\0\3\0\0\x3f\0") + bytes((6 * blocks + 7) // 8)
    return b"\xff\xd8" + quantization + frame + tables + scans + b"\xff\xd9"


def _segment(marker: int, body: bytes) -> bytes:
    """A marker, its length, its body."""
    return bytes((0xFF, marker)) + struct.pack(">H", len(body) + 2) + body


def gif(side: int, frames: int = 1) -> bytes:
    """A screen of some size, and frames of one pixel. Source: GIF89a specification, 18 to 22."""
    screen = b"GIF89a" + struct.pack("<HHBBB", side, side, 0x80, 0, 0) + bytes(6)
    frame = b"\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\2\2\x44\1\0"
    return screen + frame * frames + b"\x3b"


def webp(width: int, height: int) -> bytes:
    """An extended header with that canvas, and a small picture behind it."""
    small = made_seeds()["webp-lossy"][12:]
    canvas = bytes(4) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    body = b"WEBP" + b"VP8X" + struct.pack("<I", 10) + canvas + small
    return b"RIFF" + struct.pack("<I", len(body)) + body


def tiff(entries: dict[int, tuple[int, int]], pixels: bytes, pages: int = 1) -> bytes:
    """A TIFF of short (3) and long (4) values; strips and tiles begin behind the last directory.

    Args:
        entries: Tag to (type, value); those of the offset (273 or 324) are set here.
        pixels: Stands at the end.
        pages: Directories, all alike.
    """
    length = 2 + 12 * len(entries) + 4
    start = 8 + pages * length
    packed = b"".join(
        struct.pack("<HHII", tag, kind, 1, start if tag in {273, 324} else value)
        for tag, (kind, value) in sorted(entries.items())
    )
    directory = struct.pack("<H", len(entries)) + packed
    links = [8 + (page + 1) * length for page in range(pages - 1)] + [0]
    return b"II*\0" + struct.pack("<I", 8) + b"".join(directory + struct.pack("<I", link) for link in links) + pixels


def strip(width: int, height: int, length: int, compression: int = 8) -> dict[int, tuple[int, int]]:
    """Entries of an RGB picture in one strip of deflate (8) or of none (1)."""
    fixed = {258: (3, 8), 262: (3, 2), 277: (3, 3), 284: (3, 1), 273: (4, 0)}
    own = {256: (4, width), 257: (4, height), 259: (3, compression), 278: (4, height), 279: (4, length)}
    return fixed | own


def tiled(side: int, tile: int, length: int) -> dict[int, tuple[int, int]]:
    """Entries of an RGB picture in one tile of deflate."""
    entries = strip(side, side, length)
    for tag in (273, 278, 279):
        del entries[tag]
    return entries | {322: (4, tile), 323: (4, tile), 324: (4, 0), 325: (4, length)}


def tiff_inflating() -> bytes:
    """64 x 64 pixels whose strip inflates to ten gigabytes."""
    packed = deflated_zeros(10 * _GIGABYTE)
    return tiff(strip(64, 64, len(packed)), packed)


def tiff_in_a_circle() -> bytes:
    """A directory whose next one is itself."""
    packed = deflated_zeros(64 * 64 * 3)
    data = bytearray(tiff(strip(64, 64, len(packed)), packed))
    at = data.index(struct.pack("<I", 0), 8 + 2 + 12 * 10)
    data[at : at + 4] = struct.pack("<I", 8)
    return bytes(data)


def ico(inner: bytes) -> bytes:
    """An icon whose directory says 32 x 32, whatever the picture says."""
    entry = struct.pack("<BBBBHHII", 32, 32, 0, 0, 1, 32, len(inner), 22)
    return struct.pack("<HHH", 0, 1, 1) + entry + inner


def patched(seed: str, after: bytes, skip: int, new: bytes) -> bytes:
    """A small file with some bytes changed behind every place where `after` stands."""
    data = made_seeds()[seed]
    at = data.find(after)
    while at >= 0:
        at += len(after) + skip
        data = data[:at] + new + data[at + len(new) :]
        at = data.find(after, at)
    return data


def _sides(order: str, size: str, first: int, second: int | None = None) -> bytes:
    """Width and height as a format has them."""
    return struct.pack(f"{order}2{size}", first, first if second is None else second)


def _tiny_tiles() -> bytes:
    """6,000 x 6,000 pixels in tiles of one."""
    data = patched("jpeg2000-codestream", b"\xff\x51", 4, _sides(">", "I", 6000))
    at = data.index(b"\xff\x51") + 22
    return data[:at] + _sides(">", "I", 1) + data[at + 8 :]


def _large_bmp() -> bytes:
    """A bitmap that claims a size."""
    return patched("bmp", b"BM", 16, _sides("<", "i", 60_000))


def _large_psd() -> bytes:
    """A document that claims a size."""
    data = psd(photo(1, 8, 8), packed=False)
    return data[:14] + _sides(">", "I", 30_000) + data[22:]


def _large_fli() -> bytes:
    """An animation that claims a size."""
    data = fli()
    return data[:8] + _sides("<", "H", 65_535) + data[12:]


def tar_with_a_gigabyte(folder: Path) -> Path:
    """A tar on disk whose first member is a gigabyte long, by a hole; a good picture follows it."""
    path = folder / "huge.tar"
    good = made_seeds()["jpeg-baseline"]
    with path.open("wb") as file:
        file.write(tar_header("huge.jpg", _GIGABYTE))
        file.seek((_GIGABYTE + 511) // 512 * 512, 1)
        file.write(tar_header("good.jpg", len(good)) + good.ljust((len(good) + 511) // 512 * 512, b"\0"))
        file.write(bytes(1024))
    return path


def tar_header(name: str, size: int, kind: bytes = b"0") -> bytes:
    """A header block. Source: POSIX.1-1988 ustar."""
    head = name.encode().ljust(100, b"\0") + b"0000644\0" + b"0000000\0" * 2 + b"%011o\0" % size + b"%011o\0" % 0
    head += b" " * 8 + kind + bytes(100) + b"ustar\x0000"
    head = head.ljust(512, b"\0")
    return head[:148] + b"%06o\0 " % sum(head) + head[156:]


BOMBS: dict[str, tuple[Callable[[], bytes], frozenset[str], str]] = {
    name: (make, frozenset(codes.split()), words)
    for name, make, codes, words in (
        ("png 20,000 x 20,000", lambda: png(20_000, 20_000), "over_limit", "400,000,000 pixels (20,000 x 20,000)"),
        ("jpeg 20,000 x 20,000", lambda: jpeg(20_000), "over_limit", "400,000,000 pixels (20,000 x 20,000)"),
        # within Pillow's own limit, which is 178,956,970 pixels
        ("png 13,000 x 13,000", lambda: png(13_000, 13_000), "over_limit", "169,000,000 pixels (13,000 x 13,000)"),
        ("gif 65,535 x 65,535", lambda: gif(65_535), "over_limit", "4,294,836,225 pixels"),
        ("gif of 1,000,000 frames", lambda: gif(1, 1_000_000), "over_limit", "at least 10,001 frames"),
        ("apng of 4,294,967,295 frames", apng_of_many_frames, "picture", ""),
        ("png inflating to 10 GB", lambda: png(1000, 1000, zeros=10**10), "picture", ""),
        ("png, zTXt of 1 GB", lambda: png_with(b"zTXt"), "decode_failed picture", ""),
        ("png, iTXt of 1 GB", lambda: png_with(b"iTXt"), "decode_failed picture", ""),
        ("png, iCCP of 1 GB", lambda: png_with(b"iCCP"), "decode_failed picture", ""),
        ("webp 16,777,216 x 255", lambda: webp(2**24, 255), "over_limit", "16,777,216 pixels on its longer side"),
        (
            "webp 16,383 x 16,383",
            lambda: patched("webp-lossy", b"\x9d\x01\x2a", 0, b"\xff\x3f" * 2),
            "over_limit",
            "(16,383 x 16,383)",
        ),
        ("tiff 4,294,967,295 wide", lambda: tiff(strip(2**32 - 1, 1, 100), bytes(100)), "over_limit", ""),
        ("tiff inflating to 10 GB", tiff_inflating, "picture", ""),
        ("tiff, strip of 4 GB", lambda: tiff(strip(64, 64, 2**32 - 1), bytes(100)), "decode_failed", ""),
        ("tiff, raw strip of 4 GB", lambda: tiff(strip(64, 64, 2**32 - 1, 1), bytes(100)), "decode_failed", ""),
        (
            "tiff, tile 32,768 x 32,768",
            lambda: tiff(tiled(64, 32_768, 100), deflated_zeros(10**8)),
            "over_limit decode_failed",
            "",
        ),
        (
            "tiff of 20,000 pages",
            lambda: tiff(strip(64, 64, 100), bytes(100), 20_000),
            "over_limit",
            "at least 10,001 frames",
        ),
        ("tiff in a circle", tiff_in_a_circle, "picture", ""),
        ("ico, png inside", lambda: ico(png(20_000, 20_000)), "over_limit", "(20,000 x 20,000)"),
        ("icns, png inside", lambda: icns(b"ic07", png(20_000, 20_000)), "over_limit", ""),
        (
            "avif 60,000 x 60,000",
            lambda: patched("avif", b"ispe", 4, _sides(">", "I", 60_000)),
            "over_limit",
            "",
        ),
        (
            "heif 60,000 x 60,000",
            lambda: patched("heif", b"ispe", 4, _sides(">", "I", 60_000)),
            "over_limit decode_failed",
            "",
        ),
        (
            "jpeg 2000 60,000 x 60,000",
            lambda: patched("jpeg2000-codestream", b"\xff\x51", 4, _sides(">", "I", 60_000)),
            "over_limit",
            "",
        ),
        ("jpeg 2000, 36,000,000 tiles", _tiny_tiles, "decode_failed", ""),
        (
            "jpeg xl 2^30 wide",
            lambda: b"\xff\x0a" + b"\xfe\xff\xff\xff\xff\xff\xff\x0f" + bytes(90),
            "over_limit",
            "",
        ),
        ("psd 30,000 x 30,000", _large_psd, "over_limit", "900,000,000 pixels"),
        (
            "dds 65,535 x 65,535",
            lambda: patched("dds", b"DDS ", 8, _sides("<", "I", 65_535)),
            "over_limit",
            "4,294,836,225 pixels",
        ),
        ("bmp 60,000 x 60,000", _large_bmp, "over_limit", "3,600,000,000 pixels"),
        ("ppm 60,000 x 60,000", lambda: b"P6 60000 60000 255\n" + bytes(50), "over_limit", "3,600,000,000 pixels"),
        (
            "sgi 65,535 x 65,535",
            lambda: patched("sgi", b"\x01\xda", 4, _sides(">", "H", 65_535)),
            "over_limit",
            "4,294,836,225 pixels",
        ),
        ("fli 65,535 x 65,535", _large_fli, "over_limit", "4,294,836,225 pixels"),
    )
}
"""Name to (maker, outcomes that are right: an error's code or `picture`, words that a message must have)."""

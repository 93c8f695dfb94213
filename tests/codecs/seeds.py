"""Small whole files of every format that can be written here: what mutations begin with."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pillow_heif
from PIL import Image

from nemo_curator.testing import encoded, photo

WIDTH, HEIGHT = 45, 34
_REAL_HEAD = 6000  # bytes of a real file that a seed begins with


# 24 x 18 pixels by libjxl, which not every installation has
_JXL = bytes.fromhex(
    "ff0a88b0010015880600c401e9531800800a9551c60d5ecef57cf9a1c362dac67586b6dab6b084b1d95e1824241cc006977d349f29788cd7"
    "3d940c3b81b7eb4483cdb09038cb146c3da3b4e16fcb7b42dd1e02880200a0420a1c00d7668c9124af773cf38dc9be62fef95ee5c85d60ef"
    "24a40f99ec8753388082436012"
)


@cache
def made_seeds() -> Mapping[str, bytes]:
    """Name to bytes, in a fixed order; every one decodes, those of JPEG XL where libjxl is there."""
    pixels = photo(11, WIDTH, HEIGHT)
    picture = Image.fromarray(pixels)
    seeds = {
        **_jpegs(picture),
        **_pngs(picture),
        **_animations(picture),
        **_tiffs(picture),
        **_modern(picture),
        **_plain(picture),
        **_icons(picture),
        "psd": psd(pixels),
        "fli": fli(),
        "jxl": _JXL,
        "jxl-container": b"\0\0\0\x0cJXL \r\n\x87\n\0\0\0\x14ftypjxl \0\0\0\0jxl " + box(b"jxlc", _JXL),
    }
    return MappingProxyType(seeds)


def real_seeds(folder: Path) -> dict[str, bytes]:
    """The heads of real files, unusual and broken ones: cut, but with headers as cameras and fuzzers write them."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix not in {".md", ".tar"})
    return {f"real/{path.relative_to(folder).as_posix()}": path.read_bytes()[:_REAL_HEAD] for path in paths}


def _jpegs(picture: Image.Image) -> dict[str, bytes]:
    """Baseline and progressive, of one, three and four components, with and without restarts."""
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010E] = "a picture"
    return {
        "jpeg-baseline": _saved(picture, "JPEG", quality=80, exif=exif, comment=b"a comment"),
        "jpeg-444": _saved(picture, "JPEG", quality=80, subsampling=0),
        "jpeg-progressive": _saved(picture, "JPEG", quality=80, progressive=True),
        "jpeg-restarts": _saved(picture, "JPEG", quality=80, restart_marker_blocks=2),
        "jpeg-grey": _saved(picture.convert("L"), "JPEG"),
        "jpeg-cmyk": _saved(picture.convert("CMYK"), "JPEG"),
    }


def _pngs(picture: Image.Image) -> dict[str, bytes]:
    """Every colour type, some with transparency, one of 16 bits, one interlaced."""
    deep = np.asarray(picture.convert("L")).astype(np.uint16) * 257
    seen = picture.convert("RGBA")
    seen.putalpha(picture.convert("L"))
    palette = picture.quantize(50)
    return {
        "png-rgb": _saved(picture, "PNG"),
        "png-rgba": _saved(seen, "PNG"),
        "png-grey": _saved(picture.convert("L"), "PNG"),
        "png-grey-alpha": _saved(seen.convert("LA"), "PNG"),
        "png-palette": _saved(palette, "PNG", transparency=3),
        "png-bits": _saved(picture.convert("1"), "PNG"),
        "png-16": encoded(deep, "PNG"),
        "png-interlaced": interlaced_png(np.asarray(picture)),
    }


def _animations(picture: Image.Image) -> dict[str, bytes]:
    """GIF, APNG and WebP, and the still pictures of the first and last."""
    frames = [Image.fromarray(photo(seed, WIDTH, HEIGHT)) for seed in (12, 13)]
    several: dict[str, Any] = {"save_all": True, "append_images": frames, "duration": 50}
    return {
        "gif": _saved(picture.quantize(32), "GIF"),
        "gif-animated": _saved(picture, "GIF", **several),
        "apng": _saved(picture, "PNG", **several),
        "webp-animated": _saved(picture, "WEBP", **several),
        "webp-lossy": _saved(picture, "WEBP", quality=70),
        "webp-lossless": _saved(picture.convert("RGBA"), "WEBP", lossless=True),
    }


def _tiffs(picture: Image.Image) -> dict[str, bytes]:
    """Every compression that is written here, and every kind of pixel."""
    seeds = {
        f"tiff-{name}": _saved(picture, "TIFF", compression=name)
        for name in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg", "lzma", "zstd")
    }
    deep = np.asarray(picture.convert("L")).astype(np.uint16) * 257
    return seeds | {
        "tiff-group4": _saved(picture.convert("1"), "TIFF", compression="group4"),
        "tiff-cmyk": _saved(picture.convert("CMYK"), "TIFF", compression="tiff_lzw"),
        "tiff-palette": _saved(picture.quantize(16), "TIFF"),
        "tiff-16": encoded(deep, "TIFF"),
        "tiff-float": encoded(deep.astype(np.float32), "TIFF"),
        "tiff-pages": _saved(picture, "TIFF", save_all=True, append_images=[picture], compression="tiff_lzw"),
    }


def _modern(picture: Image.Image) -> dict[str, bytes]:
    """JPEG 2000, AVIF, HEIF; with and without transparency or tiles."""
    seen = picture.convert("RGBA")
    seen.putalpha(picture.convert("L"))
    seeds = {
        "jpeg2000": _saved(picture, "JPEG2000", quality_mode="rates", quality_layers=[8]),
        "jpeg2000-codestream": _saved(picture, "JPEG2000", no_jp2=True, quality_layers=[8]),
        "jpeg2000-grey-tiles": _saved(picture.convert("L"), "JPEG2000", tile_size=(32, 32)),
        "avif": _saved(picture, "AVIF", quality=50, speed=10),
        "avif-alpha": _saved(seen, "AVIF", quality=50, speed=10),
    }
    for name, one in (("heif", picture), ("heif-alpha", seen)):
        seeds[name] = _saved(pillow_heif.from_pillow(one), quality=50)
    return seeds


def _plain(picture: Image.Image) -> dict[str, bytes]:
    """Formats without compression, or with run lengths."""
    grey, bits = picture.convert("L"), picture.convert("1")
    text = b"P3\n# a comment\n3 2\n255\n" + b" ".join(b"%d" % value for value in range(18)) + b"\n"
    pam = b"P7\nWIDTH 4\nHEIGHT 2\nDEPTH 4\nMAXVAL 255\nTUPLTYPE RGB_ALPHA\nENDHDR\n" + bytes(range(32))
    return {
        "bmp": _saved(picture, "BMP"),
        "bmp-palette": _saved(picture.quantize(16), "BMP"),
        "bmp-bits": _saved(bits, "BMP"),
        "bmp-rle8": rle_bmp(),
        "ppm": _saved(picture, "PPM"),
        "pgm": _saved(grey, "PPM"),
        "pbm": _saved(bits, "PPM"),
        "ppm-text": text,
        "pam": pam,
        "sgi": _saved(picture, "SGI"),
        "sgi-rle": rle_sgi(),
        "dds": _saved(picture, "DDS"),
        "dds-dxt1": _saved(picture.resize((48, 36)), "DDS", pixel_format="DXT1"),
        "dds-bc5": _saved(picture.resize((48, 36)), "DDS", pixel_format="BC5"),
    }


def _icons(picture: Image.Image) -> dict[str, bytes]:
    """Icons of PNG and of bitmaps."""
    sizes: dict[str, Any] = {"sizes": [(16, 16), (32, 32)]}
    inner = _saved(picture.resize((16, 16)), "PNG")
    return {
        "ico-png": _saved(picture, "ICO", **sizes),
        "ico-bmp": _saved(picture, "ICO", bitmap_format="bmp", **sizes),
        "icns": icns(b"icp4", inner),
    }


def box(name: bytes, body: bytes) -> bytes:
    """A box of an ISO file."""
    return struct.pack(">I", len(body) + 8) + name + body


def icns(kind: bytes, inner: bytes) -> bytes:
    """An icon of one picture. Source: Apple's ICNS, a list of (type, length with its head, data)."""
    block = kind + struct.pack(">I", len(inner) + 8) + inner
    return b"icns" + struct.pack(">I", len(block) + 8) + block


def psd(pixels: np.ndarray, *, packed: bool = True) -> bytes:
    """An RGB document with its merged picture alone. Source: Adobe Photoshop File Formats, "File Header Section"."""
    height, width, channels = pixels.shape
    head = b"8BPS" + struct.pack(">H6xHIIHH", 1, channels, height, width, 8, 3) + bytes(12)
    rows = [row.tobytes() for row in np.moveaxis(pixels, 2, 0).reshape(-1, width)]
    if not packed:
        return head + struct.pack(">H", 0) + b"".join(rows)
    coded = [_packed(row) for row in rows]
    lengths = struct.pack(f">{len(coded)}H", *map(len, coded))
    return head + struct.pack(">H", 1) + lengths + b"".join(coded)


def _packed(row: bytes) -> bytes:
    """PackBits, all literal."""
    return b"".join(bytes([len(row[at : at + 128]) - 1]) + row[at : at + 128] for at in range(0, len(row), 128))


def fli() -> bytes:
    """One frame of run lengths with a palette. Source: Autodesk Animator FLC format, chunks 0xF1FA, 4 and 15."""
    width, height = 32, 20
    colours = struct.pack("<HBB", 1, 0, 0) + bytes(value for at in range(256) for value in (at, 255 - at, 128))
    lines = b"".join(bytes([2, 16, at, 16, 255 - at]) for at in range(height))
    chunks = b"".join(struct.pack("<IH", len(body) + 6, kind) + body for kind, body in ((4, colours), (15, lines)))
    frame = struct.pack("<IHH8x", len(chunks) + 16, 0xF1FA, 2) + chunks
    head = struct.pack("<IHHHHHHI", 128 + len(frame), 0xAF12, 1, width, height, 8, 3, 71)
    return head.ljust(128, b"\0") + frame


def rle_bmp() -> bytes:
    """Eight bits a pixel in run lengths. Source: Microsoft, "Bitmap Compression" (BI_RLE8)."""
    width, height = 20, 10
    palette = b"".join(bytes([at, at, at, 0]) for at in range(256))
    lines = b"".join(bytes([10, at * 9, 0, 4, 1, 2, 3, 4, 6, 200, 0, 0]) for at in range(height)) + b"\0\1"
    start = 54 + len(palette)
    head = b"BM" + struct.pack("<IHHI", start + len(lines), 0, 0, start)
    return head + struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 1, len(lines), 0, 0, 256, 0) + palette + lines


def rle_sgi() -> bytes:
    """Grey in run lengths. Source: The SGI Image File Format 1.00, "RLE image data"."""
    width, height = 20, 8
    line = bytes([0x80 | 4, 1, 2, 3, 4, 16, 90, 0])
    start = 512 + 8 * height
    starts = [start + len(line) * at for at in range(height)]
    head = struct.pack(">HBBHHHHII", 474, 1, 1, 2, width, height, 1, 0, 255).ljust(512, b"\0")
    tables = struct.pack(f">{height}I", *starts) + struct.pack(f">{height}I", *[len(line)] * height)
    return head + tables + line * height


def png_of(header: tuple[int, int, int, int, int], raw: bytes, *between: tuple[bytes, bytes]) -> bytes:
    """A PNG of (width, height, bits, colour type, interlace), filtered lines, and chunks before its pixels."""
    width, height, bits, colour, interlace = header
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, interlace)),
        *between,
        (b"IDAT", zlib.compress(raw)),
        (b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(name, body) for name, body in chunks)


def png_chunk(name: bytes, body: bytes) -> bytes:
    """A chunk with its length and CRC."""
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def interlaced_png(pixels: np.ndarray) -> bytes:
    """RGB in the seven passes of Adam7, which Pillow does not write. Source: W3C PNG (third edition), 8.1."""
    passes = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))
    height, width, _ = pixels.shape
    lines = []
    for top, left, down, right in passes:
        part = np.ascontiguousarray(pixels[top::down, left::right])
        if part.size:
            lines += [b"\0" + row.tobytes() for row in part]
    return png_of((width, height, 8, 2, 1), b"".join(lines))


def _saved(picture: Any, *given: Any, **options: Any) -> bytes:
    """What `save` writes."""
    file = io.BytesIO()
    picture.save(file, *given, **options)
    return file.getvalue()

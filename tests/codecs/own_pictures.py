"""Pictures made here, byte by byte where no library writes the kind: synthetic ramps, so that they belong to nobody.

Every builder is deterministic. `PICTURES` names them all; `tests/data/golden/make_golden.py` gives the same bytes to
decoders that are independent of ours and keeps what those saw.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image
from tests.codecs.own_profiles import inks, swapped_lab

WIDTH, HEIGHT = 36, 24
FIXTURES = Path(__file__).parents[1] / "data" / "golden"
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
_PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}


def ramps() -> np.ndarray:
    """`(24, 36, 4)` float64 in 0..1: three different ramps that tell every turn apart, and an alpha in stripes."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    planes = (x / (WIDTH - 1), y / (HEIGHT - 1), (x + 2 * y) / (WIDTH + 2 * HEIGHT - 3), x % 9 / 8)
    return np.stack(planes, axis=-1)


def scaled(planes: np.ndarray, bits: int = 8) -> np.ndarray:
    """0..1 as unsigned integers of so many bits, in the smallest type that holds them."""
    kind = np.uint8 if bits <= 8 else np.uint16 if bits == 16 else np.uint32
    return np.rint(planes * (2**bits - 1)).astype(kind)


def saved(image: Image.Image, fmt: str, **options: object) -> bytes:
    """The bytes that Pillow writes."""
    out = io.BytesIO()
    image.save(out, fmt, **options)
    return out.getvalue()


def png(kind: int, bits: int, *, interlaced: bool = False, extra: Sequence[tuple[bytes, bytes]] = ()) -> bytes:
    """A PNG of any colour type and depth (W3C PNG, sections 8.2, 9 and 11.2.2).

    Args:
        kind: Colour type: 0 grey, 2 colour, 3 palette, 4 grey and alpha, 6 colour and alpha.
        bits: Depth of a channel.
        interlaced: By Adam7.
        extra: Chunks before the pixels, as name and content.
    """
    planes = {0: [2], 2: [0, 1, 2], 3: [0], 4: [2, 3], 6: [0, 1, 2, 3]}[kind]
    samples = scaled(ramps()[..., planes], bits)
    passes = [samples[y::dy, x::dx] for x, y, dx, dy in _ADAM7] if interlaced else [samples]
    rows = b"".join(_png_rows(part, bits) for part in passes if part.size)
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, bits, kind, 0, 0, int(interlaced))
    palette = [(b"PLTE", colours_of_palette(2**bits))] if kind == 3 else []
    chunks = [(b"IHDR", header), *palette, *extra, (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, content) for name, content in chunks)


def _png_rows(samples: np.ndarray, bits: int) -> bytes:
    """Scanlines of a bit depth, unfiltered."""
    flat = samples.reshape(samples.shape[0], -1)
    if bits == 16:
        packed = flat.astype(">u2").view(np.uint8)
    elif bits == 8:
        packed = flat
    else:
        ones = (flat[..., None] >> np.arange(bits - 1, -1, -1)) & 1
        packed = np.packbits(ones.reshape(flat.shape[0], -1), axis=1)
    return b"".join(b"\0" + row.tobytes() for row in packed)


def colours_of_palette(colours: int) -> bytes:
    """Grey entries first, then loud ones, so that a palette read as grey is noticed."""
    ramp = np.linspace(0, 255, colours).astype(np.uint8)
    entries = np.stack([ramp, np.where(np.arange(colours) < colours // 3, ramp, 255 - ramp), ramp], axis=-1)
    return entries.tobytes()


def _chunk(name: bytes, content: bytes) -> bytes:
    """A chunk with its checksum."""
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def tiff(
    samples: np.ndarray,
    photometric: int,
    *,
    sample_format: int = 1,
    extra_samples: int | None = None,
    profile: bytes = b"",
) -> bytes:
    """An uncompressed little-endian TIFF of one strip (TIFF 6.0, sections 2, 8, 18, 19, 23).

    Args:
        samples: `(H, W)` or `(H, W, C)` of any type of 8, 16, 32 or 64 bits.
        photometric: 0 white is zero, 1 black is zero, 2 RGB, 5 inks, 8 CIE L*a*b*.
        sample_format: 1 unsigned, 2 signed, 3 floating point.
        extra_samples: What the last channel is: 0 unspecified, 1 associated (premultiplied) alpha, 2 alpha.
        profile: An ICC profile.
    """
    height, width = samples.shape[:2]
    channels = 1 if samples.ndim == 2 else samples.shape[2]
    pixels = samples.astype(samples.dtype.newbyteorder("<")).tobytes()
    tags: list[tuple[int, str, Sequence[int]]] = [
        (256, "H", [width]),
        (257, "H", [height]),
        (258, "H", [samples.dtype.itemsize * 8] * channels),
        (259, "H", [1]),
        (262, "H", [photometric]),
        (273, "I", [8]),
        (277, "H", [channels]),
        (278, "H", [height]),
        (279, "I", [len(pixels)]),
        (284, "H", [1]),
        *([] if extra_samples is None else [(338, "H", [extra_samples])]),
        (339, "H", [sample_format] * channels),
        *([(34675, "B", list(profile))] if profile else []),
    ]
    entries, beyond = b"", b""
    for tag, letter, values in tags:
        value = struct.pack(f"<{len(values)}{letter}", *values)
        entries += struct.pack("<HHI", tag, {"H": 3, "I": 4, "B": 7}[letter], len(values))
        if len(value) <= 4:
            entries += value.ljust(4, b"\0")
        else:
            entries += struct.pack("<I", 8 + len(pixels) + len(beyond))
            beyond += value + bytes(len(value) % 2)
    directory = struct.pack("<H", len(tags)) + entries + bytes(4)
    return b"II*\0" + struct.pack("<I", 8 + len(pixels) + len(beyond)) + pixels + beyond + directory


def jpeg_without(data: bytes, marker: int) -> bytes:
    """A JPEG without its first segment of a kind (0xEE: Adobe's)."""
    at = data.index(bytes([0xFF, marker]))
    return data[:at] + data[at + 2 + int.from_bytes(data[at + 2 : at + 4], "big") :]


def fixture(name: str) -> bytes:
    """A small file that cannot be made here; the README beside it says how it was made."""
    return (FIXTURES / name).read_bytes()


def rgb() -> Image.Image:
    """The ramps as an RGB picture."""
    return Image.fromarray(scaled(ramps()[..., :3]))


def rgba() -> Image.Image:
    """The ramps with their alpha."""
    return Image.fromarray(scaled(ramps()))


def cmyk() -> Image.Image:
    """The ramps as inks."""
    return Image.frombytes("CMYK", (WIDTH, HEIGHT), scaled(ramps()).tobytes())


def lab(*, swapped: bool = False) -> np.ndarray:
    """`(24, 36, 3)` uint8: L* of 0..100 as 0..255, a* and b* as signed bytes; `swapped` exchanges a* and b*."""
    planes = ramps()
    signed = np.stack([planes[..., 0] * 255, planes[..., 1] * 70 - 35, planes[..., 2] * 70 - 35], axis=-1)
    return np.rint(signed[..., [0, 2, 1]] if swapped else signed).astype(np.int16).astype(np.uint8)


def premultiplied(bits: int) -> np.ndarray:
    """The ramps, their colours multiplied by their alpha."""
    planes = ramps()
    return scaled(np.concatenate([planes[..., :3] * planes[..., 3:], planes[..., 3:]], axis=-1), bits)


def animation(fmt: str, **options: object) -> bytes:
    """Three frames, of which the first is the ramps and the others are theirs turned round."""
    first = rgb().quantize(128) if fmt == "GIF" else rgb()
    later = [first.transpose(Image.Transpose.ROTATE_180), first.transpose(Image.Transpose.FLIP_TOP_BOTTOM)]
    return saved(first, fmt, save_all=True, append_images=later, **options)


_GREY16, _COLOUR16 = scaled(ramps()[10, 10, 2:3], 16), scaled(ramps()[10, 10, :3], 16)
_KEYS: dict[tuple[int, int], bytes] = {
    (0, 1): b"\0\0",
    (0, 2): b"\0\2",
    (0, 4): b"\0\x08",
    (0, 8): b"\0\x80",
    (0, 16): _GREY16.astype(">u2").tobytes(),
    (2, 8): scaled(ramps()[10, 10, :3]).astype(">u2").tobytes(),
    (2, 16): _COLOUR16.astype(">u2").tobytes(),
    (3, 2): b"\xff\x80",
    (3, 8): bytes(range(256)),
}
"""Colour type and depth to a tRNS chunk: one transparent colour, or an alpha for the first entries of the palette."""

_PNG_KINDS = [(0, bits) for bits in (1, 2, 4, 8, 16)] + [(3, bits) for bits in (1, 2, 4, 8)]
_PNG_KINDS += [(kind, bits) for kind in (2, 4, 6) for bits in (8, 16)]

PICTURES: dict[str, Callable[[], bytes]] = {
    **{
        f"type-{kind}-{bits}-{'adam7' if interlaced else 'rows'}.png": partial(png, kind, bits, interlaced=interlaced)
        for kind, bits in _PNG_KINDS
        for interlaced in (False, True)
    },
    **{
        f"trns-{kind}-{bits}.png": partial(png, kind, bits, extra=[(b"tRNS", key)])
        for (kind, bits), key in _KEYS.items()
    },
    "animated.png": lambda: animation("PNG"),
    "animated.gif": lambda: animation("GIF"),
    "animated.webp": lambda: animation("WEBP", lossless=True),
    "alpha.webp": lambda: saved(rgba(), "WEBP", lossless=True, exact=True),
    "sequential.jpg": lambda: saved(rgb(), "JPEG", quality=95),
    "progressive.jpg": lambda: saved(rgb(), "JPEG", quality=95, progressive=True),
    "rgb.jpg": lambda: saved(rgb(), "JPEG", quality=95, keep_rgb=True),
    "grey.jpg": lambda: saved(rgb().convert("L"), "JPEG", quality=95),
    "arithmetic.jpg": partial(fixture, "arithmetic.jpg"),
    "arithmetic-progressive.jpg": partial(fixture, "arithmetic-progressive.jpg"),
    "ycck-adobe.jpg": partial(fixture, "ycck-adobe.jpg"),
    "cmyk-adobe.jpg": lambda: saved(cmyk(), "JPEG", quality=95),
    "cmyk-bare.jpg": lambda: jpeg_without(saved(cmyk(), "JPEG", quality=95), 0xEE),
    "cmyk-icc.jpg": lambda: saved(cmyk(), "JPEG", quality=95, icc_profile=inks()),
    "cmyk.tif": lambda: tiff(scaled(ramps()), 5),
    "cmyk-16.tif": lambda: tiff(scaled(ramps(), 16), 5),
    "cmyk-icc.tif": lambda: tiff(scaled(ramps()), 5, profile=inks()),
    "cmyk-icc-jpeg.tif": lambda: saved(cmyk(), "TIFF", compression="jpeg", icc_profile=inks()),
    "lab.tif": lambda: tiff(lab(), 8),
    "lab-icc.tif": lambda: tiff(lab(swapped=True), 8, profile=swapped_lab()),
    "rgb-16.tif": lambda: tiff(scaled(ramps()[..., :3], 16), 2),
    "grey-16.tif": lambda: tiff(scaled(ramps()[..., 2], 16), 1),
    "grey-16-white-is-zero.tif": lambda: tiff(scaled(ramps()[..., 2] / 2, 16), 0),
    "grey-8-white-is-zero.tif": lambda: tiff(scaled(ramps()[..., 2] / 2), 0),
    "grey-32.tif": lambda: tiff(scaled(ramps()[..., 2], 32), 1),
    "grey-signed-16.tif": lambda: tiff(
        (scaled(ramps()[..., 2], 16).astype(np.int32) - 32768).astype(np.int16), 1, sample_format=2
    ),
    "float.tif": lambda: tiff(ramps()[..., 2].astype(np.float32), 1, sample_format=3),
    "alpha.tif": lambda: tiff(scaled(ramps()), 2, extra_samples=2),
    "alpha-16.tif": lambda: tiff(scaled(ramps(), 16), 2, extra_samples=2),
    "premultiplied.tif": lambda: tiff(premultiplied(8), 2, extra_samples=1),
    "premultiplied-16.tif": lambda: tiff(premultiplied(16), 2, extra_samples=1),
    "premultiplied-grey.tif": lambda: tiff(premultiplied(8)[..., 2:], 1, extra_samples=1),
    "palette.tif": lambda: saved(rgb().quantize(100), "TIFF"),
    "alpha.jp2": lambda: saved(rgba(), "JPEG2000"),
    "grey-16.jp2": lambda: saved(Image.fromarray(scaled(ramps()[..., 2], 16)), "JPEG2000"),
    "alpha-10-bit.avif": partial(fixture, "alpha-10-bit.avif"),
    "turned.avif": partial(fixture, "turned.avif"),
    "turned.heic": partial(fixture, "turned.heic"),
    "wide-16.ppm": lambda: b"P6\n36 24\n65535\n" + scaled(ramps()[..., :3], 16).astype(">u2").tobytes(),
    "inks.psd": partial(fixture, "inks.psd"),
}
"""File name to what makes its bytes. The name's extension is right, for decoders that trust it."""

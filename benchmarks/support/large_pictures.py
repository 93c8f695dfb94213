"""One picture in every format and kind that can be written here: what decoding memory is measured with."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np
import numpy.typing as npt
import pillow_heif
from PIL import Image

from nemo_curator.testing import photo

Pixels = npt.NDArray[np.uint8]
Writer = Callable[[Pixels], bytes]

_ADAM7 = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))


def picture(width: int, height: int) -> Pixels:
    """A photo-like picture of that size, `(height, width, 3)`: tiles of a small one, so that it is made at once."""
    tile = photo(5, min(width, 1500), min(height, 1000))
    times = (-(-height // tile.shape[0]), -(-width // tile.shape[1]), 1)
    return np.ascontiguousarray(np.tile(tile, times)[:height, :width])


def writers() -> dict[str, Writer]:
    """Name to writer, the first word of the name being the format."""
    return {
        "jpeg baseline": lambda pixels: _saved(_rgb(pixels), "JPEG", quality=88),
        "jpeg 4:4:4": lambda pixels: _saved(_rgb(pixels), "JPEG", quality=88, subsampling=0),
        "jpeg progressive": lambda pixels: _saved(_rgb(pixels), "JPEG", quality=88, progressive=True),
        "jpeg progressive 4:4:4": lambda pixels: _saved(
            _rgb(pixels), "JPEG", quality=88, progressive=True, subsampling=0
        ),
        "jpeg turned": lambda pixels: _saved(_rgb(pixels), "JPEG", quality=88, exif=_turned()),
        "jpeg grey": lambda pixels: _saved(_grey(pixels), "JPEG"),
        "jpeg cmyk": lambda pixels: _saved(_rgb(pixels).convert("CMYK"), "JPEG"),
        "jpeg cmyk progressive": lambda pixels: _saved(_rgb(pixels).convert("CMYK"), "JPEG", progressive=True),
        "png rgb": lambda pixels: _saved(_rgb(pixels), "PNG", compress_level=1),
        "png rgba": lambda pixels: _saved(_rgba(pixels), "PNG", compress_level=1),
        "png palette": lambda pixels: _saved(_palette(pixels), "PNG", compress_level=1),
        "png palette transparent": lambda pixels: _saved(_palette(pixels), "PNG", compress_level=1, transparency=3),
        "png grey": lambda pixels: _saved(_grey(pixels), "PNG", compress_level=1),
        "png grey alpha": lambda pixels: _saved(_rgba(pixels).convert("LA"), "PNG", compress_level=1),
        "png 1 bit": lambda pixels: _saved(_rgb(pixels).convert("1"), "PNG"),
        "png 16-bit grey": lambda pixels: _saved(Image.fromarray(_deep(pixels)[..., 0]), "PNG", compress_level=1),
        "png 16-bit rgb": lambda pixels: _png(pixels, 16),
        "png interlaced": lambda pixels: _png(pixels, 8, interlaced=True),
        "png turned": lambda pixels: _saved(_rgb(pixels), "PNG", compress_level=1, exif=_turned()),
        "webp lossy": lambda pixels: _saved(_rgb(pixels), "WEBP", quality=80, method=0),
        "webp lossy alpha": lambda pixels: _saved(_rgba(pixels), "WEBP", quality=80, method=0),
        "webp lossless": lambda pixels: _saved(_rgb(pixels), "WEBP", lossless=True, quality=0, method=0),
        "webp animated": lambda pixels: _saved(_rgb(pixels), "WEBP", save_all=True, append_images=[_inverse(pixels)]),
        "gif still": lambda pixels: _saved(_palette(pixels), "GIF"),
        "gif animated": lambda pixels: _saved(_rgb(pixels), "GIF", save_all=True, append_images=[_inverse(pixels)]),
        **{f"tiff {name}": _tiff(name) for name in ("raw", "tiff_lzw", "tiff_adobe_deflate", "jpeg", "zstd", "lzma")},
        "tiff 16-bit grey": lambda pixels: _saved(Image.fromarray(_deep(pixels)[..., 0]), "TIFF"),
        "tiff float": lambda pixels: _saved(Image.fromarray(_deep(pixels)[..., 0].astype(np.float32)), "TIFF"),
        "tiff float with gaps": _float_with_gaps,
        "tiff cmyk": lambda pixels: _saved(_rgb(pixels).convert("CMYK"), "TIFF", compression="tiff_lzw"),
        "tiff one strip cmyk": lambda pixels: _saved(
            _rgb(pixels).convert("CMYK"), "TIFF", compression="tiff_lzw", strip_size=1 << 30
        ),
        "tiff rgba": lambda pixels: _saved(_rgba(pixels), "TIFF", compression="tiff_lzw"),
        "tiff group4": lambda pixels: _saved(_rgb(pixels).convert("1"), "TIFF", compression="group4"),
        "tiff turned": lambda pixels: _saved(_rgb(pixels), "TIFF", tiffinfo={0x0112: 6}),
        "tiff one strip": lambda pixels: tiff(pixels, 8),
        "tiff 16-bit rgb": lambda pixels: tiff(_deep(pixels), 8),
        "tiff 16-bit rgb raw": lambda pixels: tiff(_deep(pixels), 1),
        "tiff tiles": lambda pixels: tiff(pixels, 8, tile=512),
        "tiff one tile": lambda pixels: tiff(pixels, 8, tile=-(-max(pixels.shape) // 16) * 16),
        "tiff planes": lambda pixels: tiff(pixels, 8, planar=True),
        "bmp rgb": lambda pixels: _saved(_rgb(pixels), "BMP"),
        "bmp palette": lambda pixels: _saved(_palette(pixels), "BMP"),
        "avif": lambda pixels: _saved(_rgb(pixels), "AVIF", quality=50, speed=10),
        "avif alpha": lambda pixels: _saved(_rgba(pixels), "AVIF", quality=50, speed=10),
        "avif 4:4:4": lambda pixels: _saved(_rgb(pixels), "AVIF", quality=50, speed=10, subsampling="4:4:4"),
        "heif": lambda pixels: _heif(_rgb(pixels)),
        "heif alpha": lambda pixels: _heif(_rgba(pixels)),
        "heif 10-bit": lambda pixels: _heif_deep(pixels, "RGB;16"),
        "heif 10-bit alpha": lambda pixels: _heif_deep(np.dstack([pixels, pixels[..., :1]]), "RGBA;16"),
        "jpeg2000 rgb": lambda pixels: _saved(_rgb(pixels), "JPEG2000", quality_mode="rates", quality_layers=[20]),
        "jpeg2000 rgba": lambda pixels: _saved(_rgba(pixels), "JPEG2000", quality_mode="rates", quality_layers=[20]),
        "jpeg2000 tiles": lambda pixels: _saved(_rgb(pixels), "JPEG2000", tile_size=(512, 512), quality_layers=[20]),
        "jpeg2000 16-bit grey": lambda pixels: _saved(Image.fromarray(_deep(pixels)[..., 0]), "JPEG2000"),
        **_jpeg_xl(),
        "ppm rgb": lambda pixels: _saved(_rgb(pixels), "PPM"),
        "ppm text": _ppm_text,
        "psd rgb": lambda pixels: _psd(np.moveaxis(pixels, 2, 0)),
        "psd cmyk": lambda pixels: _psd(np.moveaxis(np.asarray(_rgb(pixels).convert("CMYK")), 2, 0), 4),
        "sgi rgb": lambda pixels: _saved(_rgb(pixels), "SGI"),
        "dds rgb": lambda pixels: _saved(_rgb(pixels), "DDS"),
        "dds dxt1": lambda pixels: _saved(_rgb(pixels), "DDS", pixel_format="DXT1"),
        "ico png": lambda pixels: _ico(_saved(_rgba(pixels), "PNG", compress_level=1)),
    }


def tiff(pixels: npt.NDArray[Any], compression: int, *, tile: int = 0, planar: bool = False) -> bytes:
    """An RGB TIFF in one strip (one a plane), or in square tiles, of none (1) or deflate (8). Source: TIFF 6.0."""
    height, width, channels = pixels.shape
    if tile:
        down, right = -(-height // tile), -(-width // tile)
        padded = np.zeros((down * tile, right * tile, channels), pixels.dtype)
        padded[:height, :width] = pixels
        blocks = [
            padded[y : y + tile, x : x + tile].tobytes()
            for y in range(0, down * tile, tile)
            for x in range(0, right * tile, tile)
        ]
    else:
        blocks = [plane.tobytes() for plane in np.moveaxis(pixels, 2, 0)] if planar else [pixels.tobytes()]
    packed = blocks if compression == 1 else [zlib.compress(block, 1) for block in blocks]
    lengths = [len(block) for block in packed]
    offsets = [8 + sum(lengths[:at]) for at in range(len(packed))]
    values = {
        256: [width],
        257: [height],
        258: [pixels.dtype.itemsize * 8] * channels,
        259: [compression],
        262: [2],
        277: [channels],
        284: [2 if planar else 1],
    }
    values |= {322: [tile], 323: [tile], 324: offsets, 325: lengths} if tile else {}
    values |= {} if tile else {273: offsets, 278: [height], 279: lengths}
    start = 8 + sum(lengths)
    extra = start + 2 + 12 * len(values) + 4
    entries, more = [], b""
    for tag, numbers in sorted(values.items()):
        body = struct.pack(f"<{len(numbers)}I", *numbers)
        place = numbers[0] if len(numbers) == 1 else extra + len(more)
        more += b"" if len(numbers) == 1 else body
        entries.append(struct.pack("<HHII", tag, 4, len(numbers), place))
    directory = struct.pack("<H", len(entries)) + b"".join(entries) + bytes(4)
    return b"II*\0" + struct.pack("<I", start) + b"".join(packed) + directory + more


def _png(pixels: Pixels, bits: int, *, interlaced: bool = False) -> bytes:
    """RGB of 8 or 16 bits, in one pass or seven, which Pillow does not write. Source: W3C PNG (third edition)."""
    height, width, _ = pixels.shape
    whole = pixels if bits == 8 else _deep(pixels).astype(">u2")
    parts = [whole[top::down, left::right] for top, left, down, right in _ADAM7] if interlaced else [whole]
    packer = zlib.compressobj(1)
    body = b"".join(packer.compress(b"\0" + row.tobytes()) for part in parts if part.size for row in part)
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, bits, 2, 0, 0, int(interlaced))),
        (b"IDAT", body + packer.flush()),
        (b"IEND", b""),
    )
    coded = (struct.pack(">I", len(b)) + name + b + struct.pack(">I", zlib.crc32(name + b)) for name, b in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(coded)


def _psd(planes: npt.NDArray[Any], mode: int = 3) -> bytes:
    """The merged picture alone, uncompressed. Source: Adobe Photoshop File Formats."""
    channels, height, width = planes.shape
    head = struct.pack(">H6xHIIHH", 1, channels, height, width, 8, mode)
    return b"8BPS" + head + bytes(12) + b"\0\0" + planes.tobytes()


def _jpeg_xl() -> dict[str, Writer]:
    """Where libjxl is there."""
    if find_spec("imagecodecs") is None:
        return {}
    import imagecodecs

    return {
        "jxl": lambda pixels: imagecodecs.jpegxl_encode(pixels, distance=2, effort=1),
        "jxl alpha": lambda pixels: imagecodecs.jpegxl_encode(np.asarray(_rgba(pixels)), distance=2, effort=1),
        "jxl lossless": lambda pixels: imagecodecs.jpegxl_encode(pixels, lossless=True, effort=1),
        "jxl lossless alpha": lambda pixels: imagecodecs.jpegxl_encode(
            np.asarray(_rgba(pixels)), lossless=True, effort=1
        ),
        "jxl 16-bit": lambda pixels: imagecodecs.jpegxl_encode(_deep(pixels), lossless=True, effort=1),
        "jxl grey": lambda pixels: imagecodecs.jpegxl_encode(pixels[..., 0], distance=2, effort=1),
    }


def _ico(png: bytes) -> bytes:
    return struct.pack("<HHHBBBBHHII", 0, 1, 1, 0, 0, 0, 0, 1, 32, len(png), 22) + png


def _ppm_text(pixels: Pixels) -> bytes:
    height, width, _ = pixels.shape
    rows = (b" ".join(b"%d" % value for value in row.reshape(-1).tolist()) for row in pixels)
    return b"P3 %d %d 255\n" % (width, height) + b"\n".join(rows) + b"\n"


def _heif(image: Image.Image) -> bytes:
    return _saved(pillow_heif.from_pillow(image), quality=50, enc_params={"preset": "ultrafast"})


def _heif_deep(pixels: Pixels, mode: str) -> bytes:
    height, width, _ = pixels.shape
    file = io.BytesIO()
    deep = _deep(pixels).tobytes()
    pillow_heif.encode(mode, (width, height), deep, file, quality=50, enc_params={"preset": "ultrafast"})
    return file.getvalue()


def _float_with_gaps(pixels: Pixels) -> bytes:
    values = _deep(pixels)[..., 0].astype(np.float32)
    values[::2, ::2] = np.nan
    return _saved(Image.fromarray(values), "TIFF")


def _tiff(compression: str) -> Writer:
    return lambda pixels: _saved(_rgb(pixels), "TIFF", compression=compression)


def _saved(image: Any, *given: Any, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, *given, **options)
    return file.getvalue()


def _turned() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


def _rgb(pixels: Pixels) -> Image.Image:
    return Image.fromarray(pixels)


def _rgba(pixels: Pixels) -> Image.Image:
    image = Image.fromarray(pixels)
    image.putalpha(image.convert("L"))
    return image


def _grey(pixels: Pixels) -> Image.Image:
    return Image.fromarray(pixels).convert("L")


def _palette(pixels: Pixels) -> Image.Image:
    return Image.fromarray(pixels).convert("P", palette=Image.Palette.WEB)


def _inverse(pixels: Pixels) -> Image.Image:
    return Image.fromarray(255 - pixels)


def _deep(pixels: Pixels) -> npt.NDArray[np.uint16]:
    return pixels.astype(np.uint16) * 257

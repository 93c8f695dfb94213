"""Makes `own.npz` and `odd.npz`: what decoders independent of ours see.

Run by hand, from the root of the checkout: `PYTHONPATH=. python tests/data/golden/make_golden.py`.

It needs ImageMagick 6 (`convert`), libvips with libheif and littleCMS (`vips`), libavif's `avifdec`, and a Python with
NumPy, imagecodecs, and Pillow (for the builders, and to write an sRGB profile). The pictures of `odd.npz` are those of
../shared/data/odd; where that is absent, `odd.npz` stays as it is. Of each picture a size, 768 means and the decoder's
name are kept, and no pixel.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import imagecodecs
import numpy as np
from PIL import ImageCms
from tests.codecs.golden import REFUSED, Golden, grid_of, keep
from tests.codecs.own_pictures import PICTURES, lab

ODD = Path(__file__).resolve().parents[4] / "shared" / "data" / "odd"
Pixels = np.ndarray
Decoder = Callable[[Path], Pixels]


def called(*command: object) -> bytes:
    """What a command writes to its standard output."""
    return subprocess.run([str(word) for word in command], capture_output=True, check=True).stdout


def imagemagick(path: Path) -> Pixels:
    """First frame, turned by EXIF, over white, inks by formula."""
    flat = ["-auto-orient", "-background", "white", "-alpha", "remove", "-colorspace", "sRGB", "-depth", "8"]
    return netpbm(called("convert", f"{path}[0]", *flat, "ppm:-"))


def netpbm(data: bytes) -> Pixels:
    """A binary PPM of 8 bits."""
    lines = [line for line in data[:4096].splitlines() if not line.startswith(b"#")]
    width, height, most = (int(word) for word in b" ".join(lines[1:3]).split())
    assert (lines[0], most) == (b"P6", 255)
    return np.frombuffer(data[-width * height * 3 :], np.uint8).reshape(height, width, 3)


def libvips(path: Path) -> Pixels:
    """First frame, turned by EXIF or its container; brought to RGB over white here."""
    return over_white(bands(path))


def bands(path: Path) -> Pixels:
    """First frame as libvips has it, turned: `(H, W, C)` uint8 or uint16."""
    with tempfile.TemporaryDirectory() as folder:
        turned, raw = Path(folder, "turned.v"), Path(folder, "pixels.raw")
        called("vips", "autorot", path, turned)
        called("vips", "rawsave", turned, raw)
        shape = [int(called("vipsheader", "-f", field, turned)) for field in ("height", "width", "bands")]
        kind = np.uint16 if b"USHORT" in called("vipsheader", "-f", "format", turned) else np.uint8
        return np.frombuffer(raw.read_bytes(), kind).reshape(shape)


def libvips_icc(path: Path) -> Pixels:
    """Through the embedded profile, perceptually."""
    with tempfile.TemporaryDirectory() as folder:
        target, out = Path(folder, "srgb.icc"), Path(folder, "out.ppm")
        target.write_bytes(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
        called("vips", "icc_transform", path, out, target, "--embedded", "--intent", "perceptual")
        return netpbm(out.read_bytes())


def avifdec(path: Path) -> Pixels:
    """First frame by libavif's own tool, not turned."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "out.png")
        called("avifdec", path, out)
        return imagemagick(out)


def samples(path: Path) -> Pixels:
    """Grey integers of up to 16 significant bits as stored, scaled by our documented rule: 65535 is white."""
    values = imagecodecs.imread(path).astype(np.float64)
    assert values.min() >= 0
    return np.repeat(values[..., None] / 257, 3, axis=2)


def inks(path: Path) -> Pixels:
    """Inks as libvips has them, and the plain formula."""
    c, m, y, k = np.moveaxis(bands(path).astype(np.float64), -1, 0)
    return np.stack([(255 - ink) * (255 - k) / 255 for ink in (c, m, y)], axis=-1)


def colorimetry(_path: Path) -> Pixels:
    """The picture `lab`, by the formulas of CIE 15 and IEC 61966-2-1, with Bradford's adaptation from D50 to D65."""
    stored = lab().astype(np.float64)
    light, (a, b) = stored[..., 0] / 2.55, np.moveaxis(lab()[..., 1:].view(np.int8).astype(np.float64), -1, 0)
    y = (light + 16) / 116
    roots = np.stack([y + a / 500, y, y - b / 200], axis=-1)
    xyz = np.where(roots > 6 / 29, roots**3, 3 * (6 / 29) ** 2 * (roots - 4 / 29)) * [0.9642, 1.0, 0.8249]
    rows = [[3.1338561, -1.6168667, -0.4906146], [-0.9787684, 1.9161415, 0.0334540], [0.0719453, -0.2289914, 1.4052427]]
    linear = np.clip(xyz @ np.array(rows).T, 0, 1)
    return 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def half_turned(decoder: Decoder) -> Decoder:
    """For orientation 3 in XMP, which neither ImageMagick nor libvips looks at."""
    return lambda path: decoder(path)[::-1, ::-1]


def over_white(pixels: Pixels) -> Pixels:
    """1 to 4 channels of 8 or 16 bits as `(H, W, 3)` of 0..255."""
    top = 255.0 if pixels.dtype == np.uint8 else 65535.0
    planes = pixels.astype(np.float64) / top
    colour = planes[..., :1] if planes.shape[2] < 3 else planes[..., :3]
    alpha = planes[..., -1:] if planes.shape[2] in {2, 4} else np.ones_like(colour[..., :1])
    return np.repeat(255 * (colour * alpha + 1 - alpha), 3 // colour.shape[2], axis=2)


NAMES = {
    imagemagick: "ImageMagick 6.9.11",
    libvips: "libvips 8.14.1",
    libvips_icc: "libvips 8.14.1 with littleCMS",
    avifdec: "avifdec 0.11.1",
    samples: "imagecodecs 2026.3 (samples), scaled by rule",
    inks: "libvips 8.14.1, inks by formula",
    colorimetry: "formulas of CIE 15 and IEC 61966-2-1",
}
BY_ENDING = {".gif": libvips, ".avif": libvips, ".heif": libvips, ".heic": libvips, ".avifs": avifdec}
EXCEPTIONS: dict[str, Decoder] = {
    "alpha-10-bit.avif": avifdec,
    "palette.tif": libvips,  # ImageMagick rounds colours of 16 bits down
    "cmyk-icc.jpg": libvips_icc,
    "cmyk-icc.tif": libvips_icc,
    "cmyk-icc-jpeg.tif": libvips_icc,
    "lab-icc.tif": colorimetry,
    "pillow/16_bit_binary_pgm.tiff": samples,  # 32 bits signed that hold 16: ImageMagick scales by 2**32
    "pillow/16bit.s.tif": samples,  # signed, none below zero: ImageMagick shifts by half the range
    "pillow/pil123rgba.png": libvips,  # ImageMagick composites in the linear light of its gAMA chunk
    "pillow/tiff_tiled_cmyk_jpeg.tif": inks,  # ImageMagick 6 says that it cannot read tiles, and goes on
}
TURNED_BY_XMP = {"avif/xmp_tags_orientation.avif", "pillow/xmp_tags_orientation_exiftool.png"}


def seen(name: str, path: Path) -> Golden:
    """What the decoder for a file sees."""
    decoder = EXCEPTIONS.get(name) or BY_ENDING.get(path.suffix, imagemagick)
    pixels = (half_turned(decoder) if name in TURNED_BY_XMP else decoder)(path)
    maker = NAMES[decoder] + (", turned as XMP says" if name in TURNED_BY_XMP else "")
    return Golden(maker, pixels.shape[1::-1], np.rint(grid_of(pixels)).astype(np.uint8))


def main() -> None:
    """Make both collections."""
    with tempfile.TemporaryDirectory() as folder:
        for name, make in PICTURES.items():
            Path(folder, name).write_bytes(make())
        keep("own", {name: seen(name, Path(folder, name)) for name in PICTURES})
    if ODD.is_dir():
        files = sorted(path for path in ODD.rglob("*") if path.is_file() and path.suffix != ".md")
        names = {path.relative_to(ODD).as_posix(): path for path in files}
        keep("odd", {name: seen(name, path) for name, path in names.items() if name not in REFUSED})


if __name__ == "__main__":
    main()

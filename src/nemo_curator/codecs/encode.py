"""Pixels to an image file, for images that have no bytes of their own.

| pixels | become |
|---|---|
| bool | 0 and 255 |
| uint8 | as they are |
| uint16 | as they are, a 16-bit PNG |
| other integers | 8 bits where all are in 0..255, else 16 bits where all are in 0..65535, else an error |
| float | times 255 unless the largest is above 1.0; then 0..255 as they are. Rounded; what lies outside is clipped |

Shapes: `(H, W)` and `(H, W, 1)` grey, `(H, W, 2)` grey and alpha, `(H, W, 3)` RGB, `(H, W, 4)` RGB and alpha.
"""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import simplejpeg  # type: ignore[import-untyped]  # ships a stub, but not in the place for one
from PIL import Image

ImageFormat = Literal["png", "jpeg"]

_JPEG_QUALITY = 95
_LONGEST_JPEG_SIDE = 65_500  # libjpeg's own bound
_PNG_COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}
_UP = 2  # PNG filter type


def encode(pixels: npt.NDArray[Any], format: ImageFormat = "png") -> tuple[bytes, str]:  # noqa: A002 - Pillow's word
    """Encode a picture.

    Args:
        pixels: `(H, W)` or `(H, W, 1 to 4)` of bool, integer or float, as the table above says.
        format: `png` is lossless. `jpeg` (quality 95, 4:4:4) is used for opaque 8-bit pictures only: what a JPEG
            cannot hold, alpha or 16 bits, is written as PNG all the same.

    Returns:
        (bytes, extension without dot). Equal pixels give equal bytes with the same library versions.

    Raises:
        ValueError: The array is empty, has another shape or type, or holds NaN, infinity or values out of range.
    """
    if format not in {"png", "jpeg"}:
        raise ValueError(f"no image format {format!r} to encode to; known: jpeg, png")
    samples = _samples(np.asarray(pixels))
    channels = samples.shape[2]
    if samples.dtype == np.uint16:
        return _png_sixteen(samples), "png"
    if format == "jpeg" and channels in {1, 3} and max(samples.shape) <= _LONGEST_JPEG_SIDE:
        space, sampling = ("GRAY", "Gray") if channels == 1 else ("RGB", "444")
        return bytes(simplejpeg.encode_jpeg(samples, _JPEG_QUALITY, space, sampling)), "jpg"
    out = io.BytesIO()
    Image.fromarray(samples[..., 0] if channels == 1 else samples).save(out, "PNG")
    return out.getvalue(), "png"


def _samples(pixels: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """`(H, W, C)` uint8 or uint16, C-contiguous."""
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    if pixels.ndim != 3 or pixels.shape[2] not in _PNG_COLOUR_TYPES:
        raise ValueError(
            f"cannot encode an array of shape {pixels.shape} as a picture; (H, W) or (H, W, 1 to 4) can be"
        )
    if pixels.size == 0:
        raise ValueError(f"cannot encode an empty picture of shape {pixels.shape}")
    kind = pixels.dtype.kind
    if kind == "b":
        samples = pixels.astype(np.uint8) * np.uint8(255)
    elif kind == "f":
        samples = _from_floats(pixels)
    elif kind in "ui":
        samples = _from_integers(pixels)
    else:
        raise ValueError(f"cannot encode pixels of type {pixels.dtype}; bool, integers and floats can be")
    return np.ascontiguousarray(samples)


def _from_floats(pixels: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    low, high = float(pixels.min()), float(pixels.max())
    if not np.isfinite([low, high]).all():
        raise ValueError("cannot encode a picture that holds NaN or infinity")
    # float64, so that k / 255 comes back as k for half precision too
    scaled = pixels.astype(np.float64) * (1.0 if high > 1.0 else 255.0)
    rounded: npt.NDArray[np.uint8] = np.clip(np.rint(scaled), 0, 255).astype(np.uint8)
    return rounded


def _from_integers(pixels: npt.NDArray[Any]) -> npt.NDArray[Any]:
    if pixels.dtype in {np.dtype(np.uint8), np.dtype(np.uint16)}:
        return pixels
    low, high = int(pixels.min()), int(pixels.max())
    if low < 0 or high > 65_535:
        raise ValueError(f"cannot encode integers from {low} to {high} as pixels; 0 to 255 or 0 to 65535 can be")
    return pixels.astype(np.uint8 if high <= 255 else np.uint16)


def _png_sixteen(samples: npt.NDArray[np.uint16]) -> bytes:
    """A 16-bit PNG; Pillow has no 16-bit colour. Source: W3C PNG (third edition), sections 7 and 9."""
    height, width, channels = samples.shape
    rows = samples.astype(">u2").view(np.uint8).reshape(height, -1)
    filtered = np.empty((height, rows.shape[1] + 1), np.uint8)
    filtered[:, 0] = _UP
    filtered[0, 1:] = rows[0]
    np.subtract(rows[1:], rows[:-1], out=filtered[1:, 1:])  # modulo 256, as the filter wants it
    header = struct.pack(">IIBBBBB", width, height, 16, _PNG_COLOUR_TYPES[channels], 0, 0, 0)
    parts = [(b"IHDR", header), (b"IDAT", zlib.compress(filtered.tobytes(), 6)), (b"IEND", b"")]
    chunks = (struct.pack(">I", len(b)) + n + b + struct.pack(">I", zlib.crc32(n + b)) for n, b in parts)
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)

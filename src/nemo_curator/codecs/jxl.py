"""JPEG XL by libjxl, through the package imagecodecs of the extra `jxl`.

libjxl turns the picture upright by itself and gives the first frame whole, whatever its layers.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from nemo_curator._optional import require
from nemo_curator.codecs.picture import Pixels
from nemo_curator.errors import DecodeError, MissingExtraError

_OPAQUE = 255
_BAND_ROWS = 256  # at a time, so that no second full picture of a wider type is in memory


def jxl_pixels(data: bytes, bit_depth: int, background: tuple[int, int, int]) -> Pixels:
    """Decode the first frame over a background.

    Args:
        data: The whole file.
        bit_depth: Bits a channel, as the header says: integers come as they are stored, not stretched to their type.
        background: Red, green and blue of what shows through transparent pixels.

    Returns:
        `(H, W, 3)` uint8 RGB, upright, C-contiguous, writable.

    Raises:
        DecodeError: The package is not installed, or the picture has other channels than grey, colour and alpha.
        Exception: Whatever libjxl says; `trouble.decoding` turns it into a `DecodeError`.
    """
    stored = _stored(data)
    out = np.empty((*stored.shape[:2], 3), np.uint8)
    for top in range(0, len(out), _BAND_ROWS):
        rows = stored[top : top + _BAND_ROWS]
        out[top : top + _BAND_ROWS] = _over(_eight_bits(rows, bit_depth), background)
    return out


def jxl_pixels_and_alpha(data: bytes, bit_depth: int) -> tuple[Pixels, Pixels | None]:
    """Decode the first frame, and its transparency apart from it.

    Args:
        data: The whole file.
        bit_depth: As for `jxl_pixels`.

    Returns:
        (`(H, W, 3)` uint8 RGB, `(H, W)` uint8 alpha; None where all of it is opaque).

    Raises:
        Exception: As `jxl_pixels`.
    """
    stored = _stored(data)
    out, alpha = np.empty((*stored.shape[:2], 3), np.uint8), np.full(stored.shape[:2], _OPAQUE, np.uint8)
    for top in range(0, len(out), _BAND_ROWS):
        rows = _eight_bits(stored[top : top + _BAND_ROWS], bit_depth)
        out[top : top + _BAND_ROWS] = rows[..., :3] if rows.shape[2] >= 3 else rows[..., :1]
        if rows.shape[2] in {2, 4}:
            alpha[top : top + _BAND_ROWS] = rows[..., -1]
    return out, None if alpha.min() == _OPAQUE else alpha


def _stored(data: bytes) -> npt.NDArray[Any]:
    """`(H, W, 1 to 4)` as stored."""
    stored: npt.NDArray[Any] = _library().jpegxl_decode(data, index=0, numthreads=1)
    if stored.ndim == 2:
        stored = stored[..., None]
    if stored.ndim != 3 or not 1 <= stored.shape[2] <= 4:
        raise DecodeError(f"the JPEG XL has {stored.shape[-1]} channels; 1 to 4 are known")
    return stored


def _library() -> ModuleType:
    try:
        return require("imagecodecs", extra="jxl", purpose="JPEG XL")
    except MissingExtraError as error:
        raise DecodeError("there is no decoder for jxl images here", cause=error.what, act=error.act) from None


def _over(rows: Pixels, background: tuple[int, int, int]) -> Pixels:
    """Some rows of 1 to 4 channels as grey or RGB over the background."""
    colour = rows[..., :3] if rows.shape[2] >= 3 else rows[..., :1]
    if rows.shape[2] in {1, 3}:
        return colour
    alpha = rows[..., -1:].astype(np.uint32)
    mixed = colour * alpha + np.array(background, np.uint32) * (255 - alpha)
    return ((mixed + 127) // 255).astype(np.uint8)


def _eight_bits(values: npt.NDArray[Any], bit_depth: int) -> Pixels:
    """0 to 255, from integers of a depth or from floats of 0 to 1."""
    if values.dtype.kind == "f":
        whole = np.nan_to_num(values.astype(np.float32), nan=0.0, posinf=1.0, neginf=0.0)
        scaled: Pixels = np.clip(np.rint(whole * 255.0), 0, 255).astype(np.uint8)
        return scaled
    if values.dtype == np.uint8 and bit_depth == 8:
        return values
    most = (1 << bit_depth) - 1
    rounded: Pixels = ((np.minimum(values, most).astype(np.uint32) * 255 + most // 2) // most).astype(np.uint8)
    return rounded

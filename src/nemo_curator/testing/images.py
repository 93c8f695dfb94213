"""Pictures made from a seed."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image


def photo(seed: int = 0, width: int = 96, height: int = 72) -> npt.NDArray[np.uint8]:
    """A picture with smooth areas, edges and a little noise, different for every seed.

    Returns:
        `(height, width, 3)` uint8 RGB.
    """
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width] / max(width, height)
    waves = random.uniform(2, 9, (3, 4))
    picture = np.stack([np.sin(a * x + b) * np.cos(c * y + d) for a, b, c, d in waves], axis=-1) * 90 + 128
    left, top = random.integers(0, width // 2 + 1), random.integers(0, height // 2 + 1)
    picture[top : top + height // 3 + 1, left : left + width // 3 + 1] = random.uniform(0, 255, 3)
    return np.clip(picture + random.normal(0, 4, picture.shape), 0, 255).astype(np.uint8)


def encoded(pixels: npt.NDArray[Any], format: str = "JPEG", **options: Any) -> bytes:  # noqa: A002 (Pillow's word)
    """A picture as the bytes of an image file.

    Args:
        pixels: What `PIL.Image.fromarray` takes.
        format: A format name of Pillow.
        options: Pillow's options for it, such as `quality` or `exif`.
    """
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format, **options)
    return file.getvalue()

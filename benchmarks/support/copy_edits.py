"""Eleven things that are done to a picture before it is published again, and crops that are other pictures.

Each edit is a pure function of pixels `(H, W, 3)` uint8 RGB and a seed, which says where a crop or a text lies.
"""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter, ImageOps

from support.damages import text

Pixels = npt.NDArray[np.uint8]
Edit = Callable[[Pixels, int], Pixels]

BORDER = 0.05  # of the shorter side, on each side
BRIGHTER = 1.3
BLUR = 2.0  # pixels
DISTRACTOR_AREAS = (0.4, 0.9)


def saved(pixels: Pixels, seed: int) -> Pixels:
    """As a JPEG of quality 20, and read again."""
    del seed
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=20)
    return np.array(Image.open(file).convert("RGB"))


def third(pixels: Pixels, seed: int) -> Pixels:
    """A third of the width and height."""
    del seed
    image = Image.fromarray(pixels)
    return np.array(image.resize((image.width // 3, image.height // 3), Image.Resampling.LANCZOS))


def crop(area: float) -> Edit:
    """A part of that share of the area, of the same shape, anywhere."""

    def edit(pixels: Pixels, seed: int) -> Pixels:
        return part(pixels, area, np.random.default_rng([seed, round(100 * area)]))

    return edit


def part(pixels: Pixels, area: float, random: np.random.Generator) -> Pixels:
    """A part of that share of the area, of the same shape, drawn by chance."""
    height, width = (max(1, round(length * area**0.5)) for length in pixels.shape[:2])
    top, left = random.integers(0, pixels.shape[0] - height + 1), random.integers(0, pixels.shape[1] - width + 1)
    return np.ascontiguousarray(pixels[top : top + height, left : left + width])


def brighter(pixels: Pixels, seed: int) -> Pixels:
    """Levels multiplied up; what is too bright is white."""
    del seed
    return np.minimum(np.rint(pixels * np.float32(BRIGHTER)), 255).astype(np.uint8)


def bordered(pixels: Pixels, seed: int) -> Pixels:
    """In a black frame."""
    del seed
    return np.array(ImageOps.expand(Image.fromarray(pixels), round(min(pixels.shape[:2]) * BORDER)))


EDITS: dict[str, Edit] = {
    "JPEG of quality 20": saved,
    "a third of the size": third,
    "crop to 70 % of the area": crop(0.7),
    "crop to 40 % of the area": crop(0.4),
    "mirrored": lambda pixels, _: np.ascontiguousarray(pixels[:, ::-1]),
    "turned by 15°": lambda pixels, _: np.array(Image.fromarray(pixels).rotate(15, Image.Resampling.BICUBIC)),
    "grey": lambda pixels, _: np.array(Image.fromarray(pixels).convert("L").convert("RGB")),
    "30 % brighter": brighter,
    "blurred by 2 pixels": lambda pixels, _: np.array(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(BLUR))),
    "text over a tenth": lambda pixels, seed: text(pixels, 2, seed),
    "a black frame of 5 %": bordered,
}
"""What is done, by its name in the table."""


def distractors(pixels: Pixels, count: int, seed: int) -> list[Pixels]:
    """Crops that stand for other pictures: parts of many sizes, anywhere."""
    random = np.random.default_rng([seed, 1])
    return [part(pixels, random.uniform(*DISTRACTOR_AREAS), random) for _ in range(count)]

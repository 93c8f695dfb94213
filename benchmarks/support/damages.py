"""Known damage to a picture, at four severities: what filters are measured with.

Blur, noise, JPEG and rescaling are comparable at each severity: their parameters are those at which the mean MS-SSIM
(Wang, Simoncelli, Bovik, 2003; `ms_ssim.py`) of the 24 damaged Kodak photographs is 0.98, 0.95, 0.90 and 0.80, to
within 0.01 (JPEG of quality 3: 0.78). No filter had a say in them. The others go from what one sees when looking for
it to what nobody overlooks.

Every damage is a pure function `(pixels, severity, seed)`, pixels `(H, W, 3)` uint8 RGB, severity 1 to 4; the seed
changes what is drawn by chance (noise, texts and their places) and nothing else.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import cache

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

Pixels = npt.NDArray[np.uint8]
Damage = Callable[[Pixels, int, int], Pixels]

SEVERITIES = (1, 2, 3, 4)

BLUR_SIGMAS = (0.9, 1.4, 2.25, 4.3)  # pixels
NOISE_SIGMAS = (7.5, 13.0, 20.0, 35.0)  # levels of 255, in each channel
JPEG_QUALITIES = (30, 14, 7, 3)
RESCALE_FACTORS = (2.1, 3.0, 4.6, 8.5)  # down by that factor and up again
DARK_GAINS = (0.4, 0.2, 0.1, 0.05)
BRIGHT_GAINS = (0.4, 0.2, 0.1, 0.05)  # of the distance to white
FLAT_GAINS = (0.3, 0.15, 0.06, 0.0)  # of the distance to the mean colour
BORDER_SHARES = (0.1, 0.2, 0.3, 0.5)  # of the picture's area, all sides together
ASPECTS = (3.0, 5.0, 8.0, 12.0)
TEXT_SHARES = (0.05, 0.1, 0.2, 0.4)  # of the picture's area, in boxes around the lines

_WORDS = ("SALE", "preview", "DO NOT COPY", "sample", "Lorem", "ipsum", "50%", "off", "www.example.org", "STOCK")


def blur(pixels: Pixels, severity: int, seed: int = 0) -> Pixels:
    """Gaussian blur."""
    from scipy.ndimage import gaussian_filter

    del seed
    sigma = BLUR_SIGMAS[severity - 1]
    return _levels(gaussian_filter(pixels.astype(np.float32), (sigma, sigma, 0)))


def noise(pixels: Pixels, severity: int, seed: int = 0) -> Pixels:
    """White Gaussian noise, drawn for every channel."""
    random = np.random.default_rng([seed, severity])
    return _levels(pixels + random.normal(0, NOISE_SIGMAS[severity - 1], pixels.shape))


def jpeg(pixels: Pixels, severity: int, seed: int = 0) -> Pixels:
    """Saved as JPEG with 4:2:0 chroma and read again."""
    del seed
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=JPEG_QUALITIES[severity - 1])
    return np.array(Image.open(file).convert("RGB"))


def rescale(pixels: Pixels, severity: int, seed: int = 0) -> Pixels:
    """Made small and large again, both bicubic."""
    del seed
    image = Image.fromarray(pixels)
    factor = RESCALE_FACTORS[severity - 1]
    small = (max(1, round(image.width / factor)), max(1, round(image.height / factor)))
    bicubic = Image.Resampling.BICUBIC
    return np.array(image.resize(small, bicubic).resize(image.size, bicubic))


def dark(pixels: Pixels, severity: int, seed: int = 0) -> Pixels:
    """Levels multiplied down: too little light, detail still there."""
    del seed
    return _levels(pixels * np.float32(DARK_GAINS[severity - 1]))


def bright(pixels: Pixels, severity: int, seed: int = 0) -> Pixels:
    """Levels drawn towards white: washed out, detail still there."""
    del seed
    return _levels(255 - (255 - pixels.astype(np.float32)) * np.float32(BRIGHT_GAINS[severity - 1]))


def flat(pixels: Pixels, severity: int, seed: int = 0) -> Pixels:
    """Low information: levels drawn towards the mean colour; at severity 4 nothing else is left."""
    del seed
    mean = pixels.mean(axis=(0, 1))
    return _levels(mean + (pixels - mean) * FLAT_GAINS[severity - 1])


def letterbox(pixels: Pixels, severity: int, seed: int = 0) -> Pixels:
    """The picture between two black bars, above and below; the size stays."""
    del seed
    inner = 1 - BORDER_SHARES[severity - 1]
    return _framed(pixels, 1.0, inner, 0)


def pillarbox(pixels: Pixels, severity: int, seed: int = 0) -> Pixels:
    """The picture between two black bars, left and right; the size stays."""
    del seed
    inner = 1 - BORDER_SHARES[severity - 1]
    return _framed(pixels, inner, 1.0, 0)


def frame(pixels: Pixels, severity: int, seed: int = 0) -> Pixels:
    """The picture in a white frame on all sides; the size stays."""
    del seed
    inner = (1 - BORDER_SHARES[severity - 1]) ** 0.5
    return _framed(pixels, inner, inner, 255)


def aspect(pixels: Pixels, severity: int, seed: int = 0) -> Pixels:
    """A strip from the middle of the picture, along its longer side."""
    del seed
    height, width = pixels.shape[:2]
    side = max(1, round(max(height, width) / ASPECTS[severity - 1]))
    if width >= height:
        top = max(0, (height - side) // 2)
        return pixels[top : top + side].copy()
    left = max(0, (width - side) // 2)
    return pixels[:, left : left + side].copy()


def text(pixels: Pixels, severity: int, seed: int = 0) -> Pixels:
    """Lines of large outlined text, their boxes together about the share of the picture."""
    random = np.random.default_rng([seed, severity])
    image = Image.fromarray(pixels)
    draw = ImageDraw.Draw(image)
    size = max(8, min(image.size) // 12)
    font = _font(size)
    room = TEXT_SHARES[severity - 1] * image.width * image.height
    # rows that do not overlap, in an order drawn by chance
    rows = random.permutation(max(1, int(image.height // (size * 1.3))))
    for row in rows.tolist():
        words = " ".join(random.choice(_WORDS, 8))
        while len(words) > 1 and draw.textlength(words, font=font) > min(image.width * 0.95, room / size):
            words = words[:-1]
        spare = max(0.0, image.width - draw.textlength(words, font=font))
        place = (random.uniform(0, spare), row * size * 1.3)
        left, top, right, bottom = draw.textbbox(place, words, font=font)
        draw.text(place, words, "white", font, stroke_width=max(1, size // 16), stroke_fill="black")
        room -= (right - left) * (bottom - top)
        if room < size * size:
            break
    return np.array(image)


QUALITY: dict[str, Damage] = {"blur": blur, "noise": noise, "jpeg": jpeg, "rescale": rescale}
"""Damage to every pixel, comparable at each severity."""

DAMAGES: dict[str, Damage] = QUALITY | {
    "dark": dark,
    "bright": bright,
    "flat": flat,
    "letterbox": letterbox,
    "pillarbox": pillarbox,
    "frame": frame,
    "aspect": aspect,
    "text": text,
}
"""All of them by name."""


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _levels(values: npt.NDArray[np.floating]) -> Pixels:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def _framed(pixels: Pixels, across: float, down: float, level: int) -> Pixels:
    """The picture shrunk to those shares of its width and height, in the middle of a uniform one of its old size.

    A letterboxed film keeps its width: what does not fit is cut off, not squeezed.
    """
    height, width = pixels.shape[:2]
    inner = (max(1, round(width * across)), max(1, round(height * down)))
    image = Image.fromarray(pixels)
    scale = max(inner[0] / width, inner[1] / height)
    image = image.resize((max(inner[0], round(width * scale)), max(inner[1], round(height * scale))))
    left, top = (image.width - inner[0]) // 2, (image.height - inner[1]) // 2
    out = np.full_like(pixels, level)
    y, x = (height - inner[1]) // 2, (width - inner[0]) // 2
    out[y : y + inner[1], x : x + inner[0]] = np.asarray(image.crop((left, top, left + inner[0], top + inner[1])))
    return out

"""The reference of what an embedder sees: Pillow decodes in full, turns, composites, resizes and crops."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pillow_heif
from PIL import Image, ImageOps

from nemo_curator.codecs.decode import decode
from nemo_curator.codecs.probe import probe
from nemo_curator.codecs.views import cut
from nemo_curator.kernels.view import View

EMBEDDER = View(224, crop=224)


def reference(data: bytes, view: View = EMBEDDER) -> np.ndarray:
    """Pillow's picture of the file, in RGB by our documented rules, resized straight to the view's size and cropped."""
    with _opened(data) as stored:
        stored.load()
        image = _as_rgb(ImageOps.exif_transpose(stored))
    resized = view.resized(*image.size)
    return np.asarray(image.resize(resized, Image.Resampling.BICUBIC).crop(view.cropped(*resized)))


def _opened(data: bytes) -> Image.Image:
    """By Pillow, or by pillow-heif for what Pillow does not know."""
    try:
        return Image.open(io.BytesIO(data))
    except Image.UnidentifiedImageError:  # HEIF, which Pillow reads by pillow-heif alone
        return pillow_heif.open_heif(io.BytesIO(data)).to_pillow()


def _as_rgb(image: Image.Image) -> Image.Image:
    """With the documented meaning of colours, by Pillow alone."""
    if image.mode in {"I", "F"} or (image.mode.startswith("I;16") and not image.has_transparency_data):
        values = np.asarray(image).astype(np.float64)  # no odd file of these modes holds more than 16 bits
        return Image.fromarray(np.rint(values / 257).astype(np.uint8)).convert("RGB")
    if image.mode.startswith("I;16"):
        values = np.asarray(image)
        grey = np.rint(values / 257).astype(np.uint8)
        grey[values == image.info["transparency"]] = 255
        return Image.fromarray(grey).convert("RGB")
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")
    return image.convert("RGB")


def off(data: bytes) -> float:
    """Mean absolute difference of our view from the reference, in levels of 255."""
    ours = cut(decode(data, probe(data)), [EMBEDDER])[EMBEDDER]
    expected = reference(data)
    assert ours.shape == expected.shape
    return float(np.abs(ours.astype(int) - expected).mean())


def photos_of(folder: Path, step: int) -> Iterator[tuple[str, bytes]]:
    """Every so-manieth photo of every shard of a folder, with its name."""
    for shard in sorted(folder.glob("*.tar")):
        with tarfile.open(shard) as tar:
            members = [member for member in tar if member.name.endswith(".jpg")]
            for member in members[::step]:
                yield f"{shard.name}/{member.name}", tar.extractfile(member).read()

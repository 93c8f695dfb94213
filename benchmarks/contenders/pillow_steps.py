"""What the contenders without our code do with one picture: Pillow for pixels, transformers for the model."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageFilter

SIDE = 256  # of the view that statistics are taken of, as ours
MEAN = np.array([0.48145466, 0.4578275, 0.40821073], np.float32)
DEVIATION = np.array([0.26862954, 0.26130258, 0.27577711], np.float32)


def statistics(data: bytes) -> dict[str, float]:
    """Width and height, sharpness as the variance of edges, shares of dark and bright pixels, mean, entropy."""
    image = Image.open(io.BytesIO(data))
    width, height = image.size
    scale = max(1.0, max(image.size) / SIDE)
    small = image.convert("RGB").resize((round(width / scale), round(height / scale)), Image.Resampling.BOX)
    grey = small.convert("L")
    counts = np.array(grey.histogram())
    shares = counts / counts.sum()
    return {
        "width": width,
        "height": height,
        "sharpness": float(np.asarray(grey.filter(ImageFilter.FIND_EDGES)).var()),
        "dark": float(shares[:32].sum()),
        "bright": float(shares[224:].sum()),
        "mean": float(shares @ np.arange(256)) / 255,
        "entropy": float(grey.entropy()),
    }


def tensor(data: bytes) -> np.ndarray:
    """`(3, 224, 224)` float32 as CLIP has it: short side 224 by bicubic, the centre, normalised."""
    image = Image.open(io.BytesIO(data)).convert("RGB")
    short = min(image.size)
    wide, high = (int(224 * side / short) for side in image.size)
    left, top = (wide - 224) // 2, (high - 224) // 2
    resized = image.resize((wide, high), Image.Resampling.BICUBIC).crop((left, top, left + 224, top + 224))
    return ((np.asarray(resized, np.float32) / 255 - MEAN) / DEVIATION).transpose(2, 0, 1)


class Tower:
    """A CLIP image tower of transformers, fp32.

    Args:
        folder: Its folder.
        threads: Threads that it may use.
    """

    def __init__(self, folder: str, threads: int) -> None:
        import torch
        from transformers import CLIPVisionModelWithProjection

        torch.set_num_threads(threads)
        self._model = CLIPVisionModelWithProjection.from_pretrained(folder, dtype=torch.float32).eval()

    def __call__(self, tensors: list[np.ndarray]) -> np.ndarray:
        """`(N, D)` float32 of unit norm."""
        import torch

        with torch.inference_mode():
            rows = self._model(torch.from_numpy(np.stack(tensors))).image_embeds
            return np.asarray((rows / rows.norm(dim=1, keepdim=True)).numpy())


def options(given: str) -> dict[str, Any]:
    """What the benchmark says besides."""
    return dict(json.loads(given))


def tars(folder: str) -> list[Path]:
    """The shards, in order."""
    return sorted(Path(folder).glob("*.tar"))

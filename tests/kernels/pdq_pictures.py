"""Pictures of whole numbers, the same on every machine, whose PDQ hashes by the reference are known."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

GOLDEN = Path(__file__).parents[1] / "data" / "golden" / "pdq.json"
SIZES = [
    (5, 5), (7, 300), (17, 9), (63, 64), (64, 64), (65, 66), (127, 129), (128, 128), (200, 150), (256, 256),
    (257, 255), (400, 300), (512, 512), (640, 361), (1000, 333), (333, 1000), (1200, 900),
]  # fmt: skip
"""(width, height): below, at and above every step of the windows."""


def picture(seed: int, width: int, height: int) -> np.ndarray:
    """Coloured blocks over a ramp, with a little noise; `(height, width, 3)` uint8."""
    random = np.random.default_rng(seed)
    across, down = (max(1, -(-length // cells)) for length, cells in ((width, 7), (height, 5)))
    blocks = np.kron(random.integers(0, 200, (5, 7, 3)), np.ones((down, across, 1), np.int64))[:height, :width]
    ramp = (np.arange(width) * 40 // width)[None, :, None] + (np.arange(height) * 15 // height)[:, None, None]
    return (blocks + ramp + random.integers(0, 2, (height, width, 1))).clip(0, 255).astype(np.uint8)


def golden() -> list[dict[str, object]]:
    """Seed, width, height, hash and quality of each."""
    return json.loads(GOLDEN.read_text(encoding="utf-8"))

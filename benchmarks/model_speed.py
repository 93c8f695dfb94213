"""How long do the embedded models take an image, on one thread?

Run: `python benchmarks/model_speed.py`
"""

from __future__ import annotations

import statistics
import time

import numpy as np

from nemo_curator.models import registry
from support.machine import publish

NAMES = ("efficientnet-lite0", "open-nsfw")
BATCH = 32
ROUNDS = 7


def milliseconds(model: registry.ImageModel, batch: np.ndarray) -> float:
    """Time for one image of a batch."""
    start = time.perf_counter()
    model(batch)
    return (time.perf_counter() - start) / len(batch) * 1e3


def main() -> None:
    """Time each model after one warm-up."""
    batch = np.random.default_rng(0).integers(0, 256, (BATCH, 224, 224, 3), np.uint8)
    figures: dict[str, float] = {}
    for name in NAMES:
        model = registry.load(name, threads=1)
        model(batch)
        figures[name] = round(statistics.median(milliseconds(model, batch) for _ in range(ROUNDS)), 2)
    ratio = round(figures["open-nsfw"] / figures["efficientnet-lite0"], 2)
    publish("model_speed", {"ms_per_image_one_thread": figures, "ratio": ratio, "batch": BATCH, "rounds": ROUNDS})


if __name__ == "__main__":
    main()

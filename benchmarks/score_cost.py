"""How long does each installed score take, of a picture that is decoded and whose views are cut?

Time of one thread for the stage's own `score`, one picture at a time, over photos: the median of some rounds. Beside it
the time to cut the views that the score asks for. Scores that need an embedding get a random one.

Run: `python benchmarks/score_cost.py [--rounds 5] [--scores text,faces]`; set IMAGECURATOR_MODEL_DIR for scores whose
weights are your own. Scores whose parts are not installed are named as such.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # one core, before NumPy starts its threads

import numpy as np

from nemo_curator.codecs.decode import decode
from nemo_curator.codecs.probe import probe
from nemo_curator.codecs.views import cut
from nemo_curator.errors import MissingExtraError, WeightsNotFoundError
from nemo_curator.stages.catalogue import make_score_stage, score_names
from nemo_curator.stages.image.filters.base import BaseFilterStage
from nemo_curator.tasks import ImageObject
from support.clean_pictures import photo_files
from support.machine import publish
from support.photos import photo_shards

COUNT = 32


def image(number: int, data: bytes, stage: BaseFilterStage) -> tuple[ImageObject, float]:
    """One picture as the reader hands it on, and the milliseconds that its views took."""
    header, needs = probe(data), stage.needs()
    one = ImageObject(image_id=f"{number}", encoded=data, header=header)
    one.sidecars = {"a.txt": b"A red dress on a wooden floor, photographed from above"}
    taken = 0.0
    if needs.views:
        pixels = decode(data, header)
        start = time.thread_time()
        one.views = cut(pixels, needs.views)
        taken = (time.thread_time() - start) * 1e3
    if needs.embedding:
        vector = np.random.default_rng(number).normal(size=768).astype(np.float32)
        one.embedding = vector / np.linalg.norm(vector)
    return one, taken


def cost(stage: BaseFilterStage, files: list[bytes], rounds: int) -> dict[str, float]:
    """Milliseconds a picture."""
    stage.setup(None)
    scored, cutting = [], []
    for _ in range(rounds):
        made = [image(number, data, stage) for number, data in enumerate(files)]
        start = time.thread_time()
        for one, _ in made:
            stage.score([one])
        scored.append((time.thread_time() - start) * 1e3 / len(made))
        cutting.append(sum(taken for _, taken in made) / len(made))
    return {"score_ms": round(statistics.median(scored), 4), "views_ms": round(statistics.median(cutting), 3)}


def main() -> None:
    """Every score, or those that are named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scores")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        shards, what = photo_shards(Path(folder) / "photos")
        files = list(photo_files(shards, COUNT).values())
    found: dict[str, Any] = {}
    for name in asked.scores.split(",") if asked.scores else score_names():
        try:
            stage = make_score_stage(name, {})
        except (MissingExtraError, WeightsNotFoundError) as error:
            found[name] = f"not installed: {error}"
            continue
        if isinstance(stage, BaseFilterStage):
            found[name] = cost(stage, files, asked.rounds)
    publish("score_cost", {"data": f"{COUNT} of {what}", "rounds": asked.rounds, "scores": found})


if __name__ == "__main__":
    main()

"""Do all header and statistics scores together cost less than decoding the picture?

The stages' own `score`, on images that are read as a run reads them (header probed, views cut), against the bare call
of the JPEG decoder on the same bytes. Times are those of the thread alone (`time.thread_time`), so that neighbours on
the machine do not count; the best of the rounds of each. What cutting the two views takes is told beside it:
the scores need the views, and so do a model and a thumbnail need theirs, each from the one decode.

Run: `python benchmarks/statistics_cost.py [--rounds 15]`
"""

from __future__ import annotations

import argparse
import io
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # one core, as in a run's workers; read when NumPy is imported

import numpy as np
import simplejpeg
from PIL import Image

from nemo_curator.codecs.decode import decode
from nemo_curator.codecs.probe import probe
from nemo_curator.codecs.views import cut
from nemo_curator.stages.catalogue import make_score_stage
from nemo_curator.stages.image.filters.base import BaseFilterStage
from nemo_curator.stages.image.statistics import NATIVE_VIEW, STATISTICS_VIEW
from nemo_curator.tasks import ImageObject
from support.clean_pictures import photo_files
from support.machine import publish
from support.photos import photo_shards

PLACE = "nemo_curator.stages.image.filters"
SCORES = (
    "header",
    "sharpness",
    "detail",
    "exposure",
    "contrast",
    "entropy",
    "colour",
    "borders",
    "blockiness",
    "edges",
)
COUNT = 32
SMALL, LARGE = (500, 375), (1500, 1000)
VIEWS = [STATISTICS_VIEW, NATIVE_VIEW]


def stages() -> dict[str, BaseFilterStage]:
    """Recipe name to stage; by dotted path, so that the checkout is measured and not what is installed."""
    return {name: make_score_stage(f"{PLACE}.{name}_filter:Image{name.capitalize()}FilterStage", {}) for name in SCORES}


def jpeg(image: Image.Image) -> bytes:
    """As a camera would save it for the web."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=90)
    return file.getvalue()


def pictures(files: list[bytes], size: tuple[int, int]) -> list[bytes]:
    """JPEGs of one size: photos cut to its shape where they are as large, else nine of them side by side."""
    tiles = 1 if size == SMALL else 3
    tile = (-(-size[0] // tiles), -(-size[1] // tiles))
    made = []
    for start in range(0, COUNT * tiles * tiles, tiles * tiles):
        whole = Image.new("RGB", size)
        for place in range(tiles * tiles):
            image = Image.open(io.BytesIO(files[(start + place) % len(files)])).convert("RGB")
            scale = max(tile[0] / image.width, tile[1] / image.height)
            image = image.resize((max(tile[0], round(image.width * scale)), max(tile[1], round(image.height * scale))))
            whole.paste(image.crop((0, 0, *tile)), (place % tiles * tile[0], place // tiles * tile[1]))
        made.append(jpeg(whole))
    return made


def milliseconds(work: Callable[[], Any]) -> float:
    """Of this thread, for one picture."""
    start = time.thread_time()
    work()
    return (time.thread_time() - start) * 1e3 / COUNT


def measured(files: list[bytes], rounds: int) -> dict[str, Any]:
    """Decoding, cutting and scoring in turns; the best of each."""
    taken: dict[str, list[float]] = {}

    def note(name: str, work: Callable[[], Any]) -> None:
        taken.setdefault(name, []).append(milliseconds(work))

    made = stages()
    pixels = [simplejpeg.decode_jpeg(data) for data in files]
    for _ in range(rounds):
        note("decode", lambda: [simplejpeg.decode_jpeg(data) for data in files])
        note("decode with our checks", lambda: [decode(data, probe(data)) for data in files])
        for view, name in ((STATISTICS_VIEW, "cut the statistics view"), (NATIVE_VIEW, "cut the native view")):
            note(name, lambda view=view: [cut(one, [view]) for one in pixels])
        images = [
            ImageObject(image_id=f"{index}", encoded=data, header=probe(data), views=cut(pixels[index], VIEWS))
            for index, data in enumerate(files)
        ]
        for name, stage in made.items():
            note(name, lambda stage=stage, images=images: stage.score(images))
    best = {name: min(values) for name, values in taken.items()}
    scores = sum(best[name] for name in SCORES)
    cutting = sum(value for name, value in best.items() if name.startswith("cut"))
    return {
        "milliseconds": {name: round(value, 3) for name, value in best.items()},
        "scores_ms": round(scores, 3),
        "scores_of_decode": round(scores / best["decode"], 3),
        "scores_and_views_of_decode": round((scores + cutting) / best["decode"], 3),
    }


def main() -> None:
    """Both sizes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        shards, what = photo_shards(Path(folder) / "photos")
        files = list(photo_files(shards, COUNT * 9).values())
    figures = {f"{size[0]} x {size[1]}": measured(pictures(files, size), rounds) for size in (SMALL, LARGE)}
    figures |= {"the files as they are": measured(files[:COUNT], rounds)}
    publish("statistics_cost", {"data": what, "numpy": np.__version__, "rounds": rounds, **figures})


if __name__ == "__main__":
    main()

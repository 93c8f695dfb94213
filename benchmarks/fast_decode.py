"""What does `decode.fast` save, and what does it cost in agreement?

Large photographs are needed and no package ships many: nine photos with all their detail make one picture of
1200 x 1200 here. Both ways cut the views of the default recipe; the full decode is the reference.

Run: `python benchmarks/fast_decode.py`
"""

from __future__ import annotations

import io
import statistics
import tarfile
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from nemo_curator.codecs.options import DecodeOptions
from nemo_curator.codecs.probe import probe
from nemo_curator.codecs.views import FAST_SIDE, read_views
from nemo_curator.kernels.entropy import entropy
from nemo_curator.kernels.luma import luma
from nemo_curator.kernels.sharpness import sharpness
from nemo_curator.models import registry
from nemo_curator.stages.image.statistics import STATISTICS_VIEW
from support.machine import publish
from support.photos import photo_shards

SIDE, PIECES = 1200, 9
COUNT = 60
ROUNDS = 5
EMBEDDER, NSFW = registry.get_spec("efficientnet-lite0").view, registry.get_spec("open-nsfw").view
VIEWS = [STATISTICS_VIEW, EMBEDDER, NSFW]


def photos(shards: Path) -> Iterator[Image.Image]:
    """The photos of all shards, cut to squares of a third of a picture."""
    third = SIDE // 3
    for shard in sorted(shards.glob("*.tar")):
        with tarfile.open(shard) as tar:
            for member in tar:
                if member.name.endswith(".jpg"):
                    image = Image.open(io.BytesIO(tar.extractfile(member).read())).convert("RGB")
                    scale = third / min(image.size)
                    image = image.resize([max(third, round(side * scale)) for side in image.size])
                    yield image.crop((0, 0, third, third))


def pictures(shards: Path) -> Iterator[bytes]:
    """JPEGs of nine photos each."""
    source = photos(shards)
    while len(pieces := list(islice(source, PIECES))) == PIECES:
        whole = Image.new("RGB", (SIDE, SIDE))
        for at, piece in enumerate(pieces):
            whole.paste(piece, (at % 3 * (SIDE // 3), at // 3 * (SIDE // 3)))
        out = io.BytesIO()
        whole.save(out, "JPEG", quality=90)
        yield out.getvalue()


def milliseconds(files: list[bytes], options: DecodeOptions) -> float:
    """Time for one picture: probe, decode, cut."""
    start = time.perf_counter()
    for data in files:
        read_views(data, probe(data), VIEWS, options=options)
    return (time.perf_counter() - start) / len(files) * 1e3


def agreement(files: list[bytes]) -> dict[str, Any]:
    """How far what is computed from both differs."""
    embed, nsfw = registry.load("efficientnet-lite0", threads=1), registry.load("open-nsfw", threads=1)
    figures: dict[str, list[float]] = {name: [] for name in ("pixels", "cosine", "nsfw", "sharpness", "entropy")}
    for data in files:
        full, fast = (read_views(data, probe(data), VIEWS, options=DecodeOptions(fast=one))[1] for one in (False, True))
        figures["pixels"].append(float(np.abs(full[EMBEDDER].astype(int) - fast[EMBEDDER]).mean()))
        vectors = embed(np.stack([full[EMBEDDER], fast[EMBEDDER]]))
        vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        figures["cosine"].append(float(vectors[0] @ vectors[1]))
        scores = np.ravel(nsfw(np.stack([full[NSFW], fast[NSFW]])))
        figures["nsfw"].append(float(abs(scores[0] - scores[1])))
        for name, kernel in (("sharpness", sharpness), ("entropy", entropy)):
            pair = [kernel(luma(one[STATISTICS_VIEW])) for one in (full, fast)]
            figures[name].append(float(abs(pair[0] - pair[1])))
    worst = {name: min(values) if name == "cosine" else max(values) for name, values in figures.items()}
    return {
        name: {"median": round(statistics.median(values), 5), "worst": round(worst[name], 5)}
        for name, values in figures.items()
    }


def main() -> None:
    """Time both in turn, then compare."""
    with tempfile.TemporaryDirectory() as folder:
        shards, what = photo_shards(Path(folder) / "photos")
        files = list(islice(pictures(shards), COUNT))
    pairs = [
        (milliseconds(files, DecodeOptions()), milliseconds(files, DecodeOptions(fast=True))) for _ in range(ROUNDS)
    ]
    publish(
        "fast_decode",
        {
            "data": f"{len(files)} JPEGs of {SIDE} x {SIDE}, each of nine of {what}",
            "fast_side": FAST_SIDE,
            "full_ms": round(statistics.median(full for full, _ in pairs), 2),
            "fast_ms": round(statistics.median(fast for _, fast in pairs), 2),
            "ratio": round(statistics.median(full / fast for full, fast in pairs), 2),
            "differences": agreement(files),
            "rounds": ROUNDS,
        },
    )


if __name__ == "__main__":
    main()

"""The usual way: the script one would write with tarfile, Pillow, ONNX Runtime and a multiprocessing pool."""

from __future__ import annotations

import io
import multiprocessing
import os
import sys
import tarfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter


def shard(task: tuple[str, str]) -> int:
    """Read, score and re-encode one shard; returns the number of images."""
    from nemo_curator.models import registry

    source, target = task
    embed, nsfw = (registry.load(name) for name in ("efficientnet-lite0", "open-nsfw"))
    count = 0
    with tarfile.open(source) as tar, tarfile.open(target, "w") as out:
        for member in tar:
            data = tar.extractfile(member).read()  # type: ignore[union-attr]
            if member.name.endswith(".jpg"):
                image = Image.open(io.BytesIO(data)).convert("RGB")
                short = min(image.size)
                resized = image.resize(
                    tuple(round(side * 256 / short) for side in image.size), Image.Resampling.BICUBIC
                )
                embed(centre(resized))
                nsfw(centre(image.resize((256, 256), Image.Resampling.BILINEAR)))
                small = image.convert("L")
                np.asarray(small.filter(ImageFilter.FIND_EDGES)).var()
                np.asarray(small).mean()
                small.entropy()
                count += 1
            out.addfile(member, io.BytesIO(data))
    return count


def centre(image: Image.Image) -> np.ndarray:
    """The centre of 224 by 224 pixels as a batch of one."""
    left, top = (image.width - 224) // 2, (image.height - 224) // 2
    return np.asarray(image.crop((left, top, left + 224, top + 224)))[None]


def main(photos: str, output: str) -> None:
    """All shards, on all cores."""
    Path(output).mkdir(parents=True)
    tasks = [(str(path), str(Path(output) / path.name)) for path in sorted(Path(photos).glob("*.tar"))]
    with multiprocessing.get_context("spawn").Pool(len(os.sched_getaffinity(0))) as pool:
        sys.stdout.write(f"{sum(pool.map(shard, tasks))}\n")


if __name__ == "__main__":
    main(*sys.argv[1:3])

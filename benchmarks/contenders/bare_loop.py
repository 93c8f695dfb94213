"""The limit of a default run: what it cannot do without, on all cores, with nothing around it."""

from __future__ import annotations

import hashlib
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def shard(task: tuple[str, str]) -> int:
    """Read, score and write one shard; returns the number of images."""
    import simplejpeg

    from nemo_curator.codecs.views import cut
    from nemo_curator.kernels.entropy import entropy
    from nemo_curator.kernels.exposure import exposure
    from nemo_curator.kernels.luma import luma
    from nemo_curator.kernels.sharpness import sharpness
    from nemo_curator.models import registry
    from nemo_curator.shards.tar_reader import read_tar
    from nemo_curator.shards.tar_writer import TarWriter
    from nemo_curator.stages.image.statistics import STATISTICS_VIEW

    source, target = task
    models = [registry.load(name) for name in ("efficientnet-lite0", "open-nsfw")]
    views = [STATISTICS_VIEW, *(model.spec.view for model in models)]
    count = 0
    with Path(target).open("wb") as file, TarWriter(file) as tar:
        for sample in read_tar(source):
            pixels = simplejpeg.decode_jpeg(sample.image)
            pictures = cut(pixels, views)
            grey = luma(pictures[STATISTICS_VIEW])
            sharpness(grey), exposure(grey), entropy(grey)
            for model in models:
                model(pictures[model.spec.view][None])
            for name, data in [(sample.source.members[0].name, sample.image), *sample.sidecars.items()]:
                tar.add(name, data, sha256=hashlib.sha256(data).hexdigest())
            count += 1
        os.fsync(file.fileno())
    return count


def main(photos: str, output: str) -> None:
    """All shards, on all cores."""
    for name in ONE_THREAD:
        os.environ[name] = "1"
    Path(output).mkdir(parents=True)
    tasks = [(str(path), str(Path(output) / path.name)) for path in sorted(Path(photos).glob("*.tar"))]
    with ProcessPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        sys.stdout.write(f"{sum(pool.map(shard, tasks))}\n")


if __name__ == "__main__":
    main(*sys.argv[1:3])

"""The limit of a run: what it cannot do without, on all cores, with nothing around it.

`bare_limit.py WORK PHOTOS OUTPUT [JSON]`. WORK is `statistics`, `models` or the name of a CLIP tower. Each core has a
process that reads, hashes, decodes, cuts, scores and writes one tar after the other; a tower is called by batches.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
BATCH = 10

_ready: dict[str, Any] = {}


def ready(work: str, given: dict[str, str]) -> None:
    """Load once a process what a tar is scored by."""
    from nemo_curator.models import registry
    from nemo_curator.models.numerics import Numerics

    if work == "statistics":
        _ready["models"] = []
    elif work == "models":
        _ready["models"] = [registry.load(name) for name in ("efficientnet-lite0", "open-nsfw")]
    else:
        numerics = Numerics(given["runtime"], given["precision"])
        tower = registry.create(work, 1, Path(given["model_dir"]), numerics)
        tower.setup()
        _ready["models"] = [tower]
    _ready["at_once"] = BATCH if given else 1


def tar_of(task: tuple[str, str]) -> int:
    """Read, score and write one tar; returns the number of images."""
    import simplejpeg

    from nemo_curator.codecs.views import cut
    from nemo_curator.kernels.entropy import entropy
    from nemo_curator.kernels.exposure import exposure
    from nemo_curator.kernels.luma import luma
    from nemo_curator.kernels.sharpness import sharpness
    from nemo_curator.shards.tar_reader import read_tar
    from nemo_curator.shards.tar_writer import TarWriter
    from nemo_curator.stages.image.statistics import STATISTICS_VIEW

    source, target = task
    models = _ready["models"]
    views = [STATISTICS_VIEW, *(model.spec.view for model in models)]
    waiting: list[list[Any]] = [[] for _ in models]
    count = 0
    with Path(target).open("wb") as file, TarWriter(file) as tar:
        for sample in read_tar(source):
            pictures = cut(simplejpeg.decode_jpeg(sample.image), views)
            grey = luma(pictures[STATISTICS_VIEW])
            sharpness(grey), exposure(grey), entropy(grey)
            for model, some in zip(models, waiting, strict=True):
                some.append(pictures[model.spec.view])
                compute(model, some, _ready["at_once"])
            for name, data in [(sample.source.members[0].name, sample.image), *sample.sidecars.items()]:
                tar.add(name, data, sha256=hashlib.sha256(data).hexdigest())
            count += 1
        for model, some in zip(models, waiting, strict=True):
            compute(model, some, 1)
        os.fsync(file.fileno())
    return count


def compute(model: Callable[[Any], Any], some: list[Any], least: int) -> None:
    """Call a model if enough pictures wait for it."""
    import numpy as np

    if len(some) >= least:
        model(np.stack(some))
        some.clear()


def main(work: str, photos: str, output: str, given: str = "{}") -> None:
    """All tars, on all cores."""
    for name in ONE_THREAD:
        os.environ[name] = "1"
    Path(output).mkdir(parents=True)
    tasks = [(str(path), str(Path(output) / path.name)) for path in sorted(Path(photos).glob("*.tar"))]
    with ProcessPoolExecutor(
        len(os.sched_getaffinity(0)), initializer=ready, initargs=(work, json.loads(given))
    ) as pool:
        sys.stdout.write(f"{sum(pool.map(tar_of, tasks))}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])

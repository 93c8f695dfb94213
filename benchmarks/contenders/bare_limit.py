"""The limit of a run: what it cannot do without, on all cores, with nothing around it.

`bare_limit.py WORK PHOTOS OUTPUT [JSON]`. WORK is `statistics`, `models` or the name of a CLIP tower. Each core has a
process of its own, which walks, hashes, decodes, cuts, scores and writes one tar after the other: over a
memory map, into one buffer for all pictures, by bare library calls, each number computed once, no garbage collector.
A tower is called by batches. The pictures that are cut are those of the product, byte for byte (a test says so).
"""

from __future__ import annotations

import gc
import hashlib
import json
import mmap
import os
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any

ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS")
BATCH = 10
BLOCK = 512
JPEG = b"\xff\xd8"
LARGEST = 1 << 25  # bytes of decoded pixels

Pixels = Any  # `(H, W, 3)` uint8
_ready: dict[str, Any] = {}


def ready(work: str, given: dict[str, str]) -> None:
    """Load once a process what a tar is scored by."""
    import numpy as np

    from nemo_curator.codecs.memory import keep_freed_memory
    from nemo_curator.models import registry
    from nemo_curator.models.numerics import Numerics

    keep_freed_memory()
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
    _ready["buffer"] = np.empty(LARGEST, np.uint8)
    gc.collect()
    gc.freeze()
    gc.disable()


def tar_of(task: tuple[str, str]) -> int:
    """Read, score and write one tar; returns the number of images."""
    import simplejpeg

    source, target = task
    models, buffer = _ready["models"], _ready["buffer"]
    waiting: list[list[Pixels]] = [[] for _ in models]
    count = at = 0
    with Path(source).open("rb") as file, Path(target).open("wb", buffering=0) as out:
        tar = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        while tar[at]:  # a block of zeros ends the tar
            size = int(tar[at + 124 : at + 135].tobytes(), 8)
            data, end = tar[at + BLOCK : at + BLOCK + size], at + BLOCK + -(-size // BLOCK) * BLOCK
            hashlib.sha256(data).hexdigest()
            if data[:2] == JPEG:
                pixels = simplejpeg.decode_jpeg(data, buffer=buffer)
                statistics(pixels)
                for model, some in zip(models, waiting, strict=True):
                    some.append(view_of(pixels, model.spec.view))
                    compute(model, some, _ready["at_once"])
                count += 1
            out.write(tar[at:end])
            at = end
        for model, some in zip(models, waiting, strict=True):
            compute(model, some, 1)
        out.write(bytes(2 * BLOCK))
        os.fsync(out.fileno())
    return count


def statistics(pixels: Pixels) -> None:
    """Sharpness, exposure and entropy of one luma and one histogram."""
    from nemo_curator.kernels.entropy import entropy
    from nemo_curator.kernels.exposure import exposure
    from nemo_curator.kernels.luma import histogram, luma
    from nemo_curator.kernels.sharpness import sharpness
    from nemo_curator.stages.image.statistics import STATISTICS_VIEW

    grey = luma(view_of(pixels, STATISTICS_VIEW))
    counts = histogram(grey)
    sharpness(grey), exposure(grey, counts), entropy(grey, counts)


def view_of(pixels: Pixels, view: Any) -> Pixels:
    """A view by two bare calls of the resampler, across and then down, as `cut` has it for pictures that shrink."""
    import cykooz_resizer as resampler
    import numpy as np

    height, width = pixels.shape[:2]
    (wide, high), across, down, resizer = _calls(view, width, height)
    kind = resampler.PixelType.U8x3
    source = resampler.ImageData(width, height, kind, pixels.tobytes())
    narrow, target = resampler.ImageData(wide, height, kind), resampler.ImageData(wide, high, kind)
    resizer.resize(source, narrow, across)
    resizer.resize(narrow, target, down)
    return np.frombuffer(target.get_buffer(), np.uint8).reshape(high, wide, 3)


@lru_cache
def _calls(view: Any, width: int, height: int) -> tuple[tuple[int, int], Any, Any, Any]:
    """(width and height of a view, options of the call across and of the one down, a resizer)."""
    import cykooz_resizer as resampler

    filters = {"bicubic": resampler.FilterType.catmull_rom, "box": resampler.FilterType.box}
    filters["bilinear"] = resampler.FilterType.bilinear
    algorithm = resampler.ResizeAlg.convolution(filters[view.filter])
    whole = view.resized(width, height)
    left, top, right, bottom = view.cropped(*whole)
    boxes = (
        (left * width / whole[0], 0.0, (right - left) * width / whole[0], float(height)),
        (0.0, top * height / whole[1], float(right - left), (bottom - top) * height / whole[1]),
    )
    across, down = (resampler.ResizeOptions(algorithm, crop_box=resampler.CropBox(*box)) for box in boxes)
    return (right - left, bottom - top), across, down, resampler.Resizer()


def compute(model: Callable[[Any], Any], some: list[Pixels], least: int) -> None:
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

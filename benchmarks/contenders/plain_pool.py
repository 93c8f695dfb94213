"""Plain multiprocessing, as datatrove's local executor works: a process a core, each takes one tar after the other.

`plain_pool.py statistics|clip TARS OUTPUT [JSON]`. `statistics`: tarfile, Pillow, the same bytes written again.
`clip`: tarfile, Pillow and a CLIP tower of transformers with one thread in each process; one `.npy` a tar.
"""

from __future__ import annotations

import io
import json
import multiprocessing
import os
import sys
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
from pillow_steps import Tower, options, statistics, tars, tensor

BATCH = 16

_ready: dict[str, Any] = {}


def ready(tower: str) -> None:
    """Load once a process what the work needs."""
    if tower:
        _ready["tower"] = Tower(tower, 1)


def scored(task: tuple[str, str]) -> int:
    """Score and copy one tar; a JSON of the scores beside it."""
    source, target = task
    rows = []
    with tarfile.open(source) as tar, tarfile.open(target, "w") as out:
        for member in tar:
            data = tar.extractfile(member).read()  # type: ignore[union-attr]
            if member.name.endswith(".jpg"):
                rows.append({"name": member.name, **statistics(data)})
            out.addfile(member, io.BytesIO(data))
    Path(target).with_suffix(".json").write_text(json.dumps(rows))
    return len(rows)


def embedded(task: tuple[str, str]) -> int:
    """Embed the pictures of one tar."""
    source, target = task
    found, waiting = [], []
    with tarfile.open(source) as tar:
        for member in tar:
            if member.name.endswith(".jpg"):
                waiting.append(tensor(tar.extractfile(member).read()))  # type: ignore[union-attr]
            if len(waiting) == BATCH:
                found.append(_ready["tower"](waiting))
                waiting = []
    if waiting:
        found.append(_ready["tower"](waiting))
    rows = np.concatenate(found).astype(np.float16)
    np.save(Path(target).with_suffix(".npy"), rows)
    return len(rows)


def main(work: str, photos: str, output: str, given: str = "{}") -> None:
    """All tars, on all cores."""
    os.environ["OMP_NUM_THREADS"] = "1"
    Path(output).mkdir(parents=True)
    tasks = [(str(path), str(Path(output) / path.name)) for path in tars(photos)]
    tower = options(given).get("tower", "")
    cores = len(os.sched_getaffinity(0))
    with multiprocessing.get_context("spawn").Pool(cores, ready, (tower,)) as pool:
        images = sum(pool.imap_unordered({"statistics": scored, "clip": embedded}[work], tasks))
    sys.stdout.write(f"images {images}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])

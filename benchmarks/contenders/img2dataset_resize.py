"""img2dataset's resizer on the bytes of tars, a process a core: short side 256, JPEG again, written as tars.

`img2dataset_resize.py resize TARS OUTPUT [JSON]`. Its way to the bytes (one HTTP request an image) is left out, so this
is the fastest that it could be.
"""

from __future__ import annotations

import io
import multiprocessing
import os
import sys
import tarfile
from pathlib import Path
from typing import Any

SIDE = 256

_ready: dict[str, Any] = {}


def ready() -> None:
    """Make the resizer once a process, with its own defaults but for the size."""
    from img2dataset.resizer import Resizer

    _ready["resizer"] = Resizer(image_size=SIDE, resize_mode="keep_ratio", resize_only_if_bigger=True)


def resized(task: tuple[str, str]) -> int:
    """Resize the pictures of one tar; what is no picture is copied."""
    source, target = task
    count = 0
    with tarfile.open(source) as tar, tarfile.open(target, "w") as out:
        for member in tar:
            data = tar.extractfile(member).read()  # type: ignore[union-attr]
            if member.name.endswith(".jpg"):
                data, *_, error = _ready["resizer"](io.BytesIO(data))
                assert error is None, error
                member.size = len(data)
                count += 1
            out.addfile(member, io.BytesIO(data))
    return count


def main(_work: str, photos: str, output: str, _given: str = "{}") -> None:
    """All tars, on all cores."""
    Path(output).mkdir(parents=True)
    tasks = [(str(path), str(Path(output) / path.name)) for path in sorted(Path(photos).glob("*.tar"))]
    with multiprocessing.get_context("spawn").Pool(len(os.sched_getaffinity(0)), ready) as pool:
        images = sum(pool.imap_unordered(resized, tasks))
    sys.stdout.write(f"images {images}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])

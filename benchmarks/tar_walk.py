"""How long does walking the headers of a tar take, against the standard library?

Run: `python benchmarks/tar_walk.py`
"""

from __future__ import annotations

import os
import statistics
import tarfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from nemo_curator.shards.tar_headers import walk
from support.machine import publish
from support.photos import photo_shards

ROUNDS = 15


def ours(path: Path) -> int:
    """Members that our walker finds."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return sum(1 for _ in walk(descriptor))
    finally:
        os.close(descriptor)


def standard(path: Path) -> int:
    """Members that `tarfile` finds."""
    with tarfile.open(path) as tar:
        return sum(1 for _ in tar)


def microseconds(walker: Callable[[Path], int], path: Path) -> float:
    """Time for one member, in one pass."""
    start = time.perf_counter()
    members = walker(path)
    return (time.perf_counter() - start) / members * 1e6


def main() -> None:
    """Time both in turn."""
    with tempfile.TemporaryDirectory() as folder:
        shards, what = photo_shards(Path(folder) / "photos")
        path = min(shards.glob("*.tar"))
        pairs = [(microseconds(ours, path), microseconds(standard, path)) for _ in range(ROUNDS)]
    publish(
        "tar_walk",
        {
            "data": f"the first shard of {what}",
            "ours_us_per_member": round(statistics.median(mine for mine, _ in pairs), 2),
            "tarfile_us_per_member": round(statistics.median(theirs for _, theirs in pairs), 2),
            "times_faster": round(statistics.median(theirs / mine for mine, theirs in pairs), 2),
            "rounds": ROUNDS,
        },
    )


if __name__ == "__main__":
    main()

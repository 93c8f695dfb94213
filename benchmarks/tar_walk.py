"""How long does walking the headers of a tar take, against the standard library? What does a member cost in memory?

The memory is what `tracemalloc` sees of the index of a made tar of empty members: held when it is built, and at most.

Run: `python benchmarks/tar_walk.py [--members 1000000]`
"""

from __future__ import annotations

import argparse
import os
import statistics
import tarfile
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

from nemo_curator.shards.tar_headers import walk
from nemo_curator.shards.tar_index import index_tar
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


def large_tar(path: Path, members: int) -> None:
    """A tar of empty members, three of a key."""
    with path.open("wb") as file:
        for number in range(members):
            name = f"{number // 3:09d}.{('jpg', 'txt', 'json')[number % 3]}"
            file.write(tarfile.TarInfo(name).tobuf(tarfile.USTAR_FORMAT))
        file.write(bytes(1024))


def indexed(path: Path) -> float:
    """Microseconds a member to index a tar and go through its samples."""
    start = time.perf_counter()
    with path.open("rb") as file:
        index = index_tar(file.fileno())
        groups = sum(1 for _ in index.groups())
    assert groups == -(-index.members // 3)
    return (time.perf_counter() - start) / index.members * 1e6


def index_memory(path: Path) -> tuple[float, float]:
    """Bytes a member that the index of a tar holds, and takes at most while it is built."""
    tracemalloc.start()
    with path.open("rb") as file:
        index = index_tar(file.fileno())
    held, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return held / index.members, peak / index.members


def main() -> None:
    """Time both in turn, and weigh the index."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--members", type=int, default=30_000, help="of the large tar")
    members = parser.parse_args().members
    with tempfile.TemporaryDirectory() as folder:
        shards, what = photo_shards(Path(folder) / "photos")
        path = min(shards.glob("*.tar"))
        pairs = [(microseconds(ours, path), microseconds(standard, path)) for _ in range(ROUNDS)]
        large = Path(folder) / "large.tar"
        large_tar(large, members)
        index_us = indexed(large)
        held, peak = index_memory(large)
    publish(
        "tar_walk",
        {
            "data": f"the first shard of {what}",
            "ours_us_per_member": round(statistics.median(mine for mine, _ in pairs), 2),
            "tarfile_us_per_member": round(statistics.median(theirs for _, theirs in pairs), 2),
            "times_faster": round(statistics.median(theirs / mine for mine, theirs in pairs), 2),
            "rounds": ROUNDS,
            "members_of_the_index": members,
            "index_us_per_member": round(index_us, 2),
            "index_bytes_per_member": round(held),
            "index_peak_bytes_per_member": round(peak),
        },
    )


if __name__ == "__main__":
    main()

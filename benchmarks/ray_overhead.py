"""What does Ray cost on one machine, beside the local executor, for the same recipe?

The same command with and without `--executor ray`, on one shard and on all of them, in turns; medians. The difference
of the two lengths is the work itself; what is left of the short one is the start. On a machine that does other work too
the processor time is what counts: that of all processes, sampled ten times a second. Memory is the peak of all.

Run: `python benchmarks/ray_overhead.py [--rounds N] [--scores NAMES]`
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import psutil

from support.machine import publish, skip
from support.photos import photo_shards

EXECUTORS = ("local", "ray")
SHARD = 125


def main() -> None:
    """Run each in turn, and publish medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scores", default="header,sharpness,exposure,entropy")
    asked = parser.parse_args()
    if find_spec("ray") is None:
        skip("Ray is not installed: pip install 'imagecurator[ray]'")
    taken: dict[str, list[Taken]] = {}
    with tempfile.TemporaryDirectory() as folder:
        photos, what = photo_shards(Path(folder) / "photos")
        shards = sorted(photos.glob("*.tar"))
        for _ in range(asked.rounds):
            made = []
            for executor in EXECUTORS:
                for length, inputs in (("short", shards[:1]), ("long", shards)):
                    output = Path(folder) / f"{executor}-{length}"
                    shutil.rmtree(output, ignore_errors=True)
                    command = ["run", *map(str, inputs), str(output), "--scores", asked.scores, "--json"]
                    taken.setdefault(f"{executor} {length}", []).append(run([*command, "--executor", executor]))
                made.append(hashlib.sha256((output / "manifest.json").read_bytes()).hexdigest())
            assert len(set(made)) == 1, "the two gave different data sets"
    publish("ray_overhead", {"data": what, "rounds": asked.rounds, **figures(taken, len(shards) * SHARD)})


class Taken(NamedTuple):
    """What one command took: seconds, processor seconds of all its processes, bytes at the peak."""

    seconds: float
    processor: float
    memory: int


def run(words: list[str]) -> Taken:
    """Run a command to its end."""
    process = subprocess.Popen(
        [sys.executable, "-m", "nemo_curator.cli", *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    since, spent, top = time.perf_counter(), {}, 0
    parent = psutil.Process(process.pid)
    while process.poll() is None:
        sizes = 0
        with suppress(psutil.Error):
            for one in [parent, *parent.children(recursive=True)]:
                with suppress(psutil.Error, OSError):  # it ended meanwhile
                    times = one.cpu_times()
                    spent[one.pid, one.create_time()] = times.user + times.system
                    sizes += one.memory_full_info().pss
        top = max(top, sizes)
        time.sleep(0.1)
    assert process.returncode == 0, process.returncode
    return Taken(time.perf_counter() - since, sum(spent.values()), top)


def figures(taken: dict[str, list[Taken]], images: int) -> dict[str, object]:
    """What is told of each, and ratios of the two."""
    found: dict[str, dict[str, float]] = {}
    for executor in EXECUTORS:
        short, long = (
            [statistics.median(column) for column in zip(*taken[f"{executor} {length}"], strict=True)]
            for length in ("short", "long")
        )
        each = [(after - before) / (images - SHARD) for before, after in zip(short[:2], long[:2], strict=True)]
        found[executor] = {
            "seconds_long": round(long[0], 2),
            "start_seconds": round(short[0] - SHARD * each[0], 2),
            "processor_seconds_long": round(long[1], 2),
            "processor_start_seconds": round(short[1] - SHARD * each[1], 2),
            "processor_ms_an_image": round(1000 * each[1], 2),
            "peak_mb": round(max(one.memory for one in taken[f"{executor} long"]) / 1e6),
        }
    work = [found[executor]["processor_ms_an_image"] for executor in EXECUTORS]
    return {**found, "ratio_of_the_work": round(work[1] / work[0], 2)}


if __name__ == "__main__":
    main()

"""What does Ray cost on one machine, beside the local executor, for the same recipe?

The same command with and without `--executor ray`, on one shard and on all of them, in turns; medians. The difference
of the two lengths is the work itself; what is left of the short one is the start. Memory is the peak of all processes.

Run: `python benchmarks/ray_overhead.py [--rounds N] [--scores NAMES]`
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

from support.machine import publish
from support.memory import peak_memory
from support.photos import photo_shards

EXECUTORS = ("local", "ray")
SHARD = 125


def main() -> None:
    """Run each in turn, and publish medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scores", default="header,sharpness,exposure,entropy")
    asked = parser.parse_args()
    seconds: dict[tuple[str, str], list[float]] = {}
    memory: dict[str, list[int]] = {}
    with tempfile.TemporaryDirectory() as folder:
        photos, what = photo_shards(Path(folder) / "photos")
        shards = sorted(photos.glob("*.tar"))
        for _ in range(asked.rounds):
            made = []
            for executor in EXECUTORS:
                for length, inputs in (("short", shards[:1]), ("long", shards)):
                    output = Path(folder) / f"{executor}-{length}"
                    shutil.rmtree(output, ignore_errors=True)
                    took, top = run([str(one) for one in inputs], output, asked.scores, executor)
                    seconds.setdefault((executor, length), []).append(took)
                    memory.setdefault(executor, []).append(top)
                made.append(hashlib.sha256((output / "manifest.json").read_bytes()).hexdigest())
            assert len(set(made)) == 1, "the two gave different data sets"
    publish("ray_overhead", {"data": what, "rounds": asked.rounds, **figures(seconds, memory, len(shards) * SHARD)})


def run(inputs: list[str], output: Path, scores: str, executor: str) -> tuple[float, int]:
    """(Seconds, bytes at the peak) of one command."""
    command = [sys.executable, "-m", "nemo_curator.cli", "run", *inputs, str(output), "--scores", scores, "--json"]
    since = time.perf_counter()
    code, top = peak_memory([*command, "--executor", executor])
    assert code == 0, code
    return time.perf_counter() - since, sum(top)


def figures(
    seconds: dict[tuple[str, str], list[float]], memory: dict[str, list[int]], images: int
) -> dict[str, object]:
    """What is told of each, and the ratio of the work without the start."""
    found: dict[str, dict[str, float]] = {}
    for executor in EXECUTORS:
        short, long = (statistics.median(seconds[executor, length]) for length in ("short", "long"))
        each = (long - short) / (images - SHARD)
        found[executor] = {
            "seconds_short": round(short, 2),
            "seconds_long": round(long, 2),
            "start_seconds": round(short - SHARD * each, 2),
            "ms_an_image": round(1000 * each, 2),
            "peak_mb": round(max(memory[executor]) / 1e6),
        }
    work = found["ray"]["ms_an_image"] / max(found["local"]["ms_an_image"], 0.01)
    whole = found["ray"]["seconds_long"] / found["local"]["seconds_long"]
    return {**found, "ratio_of_the_work": round(work, 2), "ratio": round(whole, 2)}


if __name__ == "__main__":
    main()

"""What does Ray cost on one machine beside the local executor, and what does a second core bring to each?

`imagecurator score` with and without `--executor ray`, on one core and on two (all processes are kept on them, Ray's
own too), each on two shards and on many, in turns, after one that does not count. The difference of the two lengths is
the work itself; what is left of the short one is the start of the command. The Ray cluster is there already, as a
cluster is; what it takes to start is told apart. All four must write the same parts. Memory is the peak of all
processes, in runs of its own, since looking costs time; that of Ray's daemons is in it.

Run: `python benchmarks/ray_scaling.py [--rounds N] [--copies N] [--scores NAMES]`
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from support.machine import publish, skip
from support.memory import proportional
from support.photos import photo_shards
from support.ray_head import ray_head

WAYS = [(executor, cores) for cores in (1, 2) for executor in ("local", "ray")]
SHARD = 125  # images in one
SHORT = 2  # shards: one for each worker


def main() -> None:
    """Run each in turn, and publish medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--copies", type=int, default=12, help="how often the 1,000 photos are read")
    parser.add_argument("--scores", default="header,sharpness,exposure,entropy")
    asked = parser.parse_args()
    if find_spec("ray") is None:
        skip("Ray is not installed: pip install 'imagecurator[ray]'")
    if not hasattr(os, "sched_setaffinity") or len(os.sched_getaffinity(0)) < 2:
        skip("this needs two cores that processes can be kept on")
    with tempfile.TemporaryDirectory() as folder:
        photos, what = photo_shards(Path(folder) / "photos")
        inputs = copied(sorted(photos.glob("*.tar")), Path(folder) / "in", asked.copies)
        bench = Bench(Path(folder) / "run", inputs, ["--scores", asked.scores])
        for _ in range(asked.rounds):
            for way in WAYS:
                bench.time(*way)
        for way in WAYS:
            bench.weigh(*way)
    found = {"data": what, "images": SHARD * len(inputs), "scores": asked.scores, "rounds": asked.rounds}
    publish("ray_scaling", {**found, **bench.figures()})


def copied(shards: list[Path], folder: Path, copies: int) -> list[str]:
    """Every shard under as many names, with its bytes once on the disk."""
    folder.mkdir()
    for shard in shards:
        shutil.copyfile(shard, folder / f"00-{shard.name}")
        for copy in range(1, copies):
            os.link(folder / f"00-{shard.name}", folder / f"{copy:02d}-{shard.name}")
    return sorted(map(str, folder.iterdir()))


class Bench:
    """Runs commands, and keeps what they took.

    Args:
        run: Where run directories go.
        inputs: Shards.
        words: What else the command is told.
    """

    def __init__(self, run: Path, inputs: list[str], words: list[str]) -> None:
        self._run = run
        self._inputs = inputs
        self._words = words
        self._parts: set[str] = set()
        self.each: dict[tuple[str, int], list[float]] = {way: [] for way in WAYS}
        self.start: dict[tuple[str, int], list[float]] = {way: [] for way in WAYS}
        self.memory: dict[tuple[str, int], int] = {}
        self.cluster: list[float] = []

    def time(self, executor: str, cores: int) -> None:
        """One way, short and long."""
        with on_cores(cores), self._command(executor, cores) as (command, place, _):
            lengths = self._inputs[:SHORT], self._inputs[:SHORT], self._inputs  # the first finds files and Ray cold
            _, short, long = (self._seconds([*command, *some], place) for some in lengths)
        each = (long - short) / (SHARD * (len(self._inputs) - SHORT))
        self.each[executor, cores].append(each)
        self.start[executor, cores].append(short - SHORT * SHARD * each)

    def weigh(self, executor: str, cores: int) -> None:
        """One way, long, with a look at memory ten times a second."""
        with on_cores(cores), self._command(executor, cores) as (command, place, daemon):
            process = self._started([*command, *self._inputs], place)
            top = 0
            while process.poll() is None:
                top = max(top, proportional([one for one in (process.pid, daemon) if one]))
                time.sleep(0.1)
        assert process.returncode == 0, process.returncode
        self.memory[executor, cores] = top

    def figures(self) -> dict[str, object]:
        """Medians of each way, and of the ratios of each round."""
        ways: dict[str, dict[str, float]] = {}
        for way in WAYS:
            executor, cores = way
            each = statistics.median(self.each[way])
            ways[f"{executor}, {cores}"] = {
                "start_seconds": round(statistics.median(self.start[way]), 2),
                "ms_an_image": round(1000 * each, 3),
                "images_per_second": round(1 / each, 1),
                "speed_over_one_core": _ratio(self.each[executor, 1], self.each[way]),
                "time_over_local": _ratio(self.each[way], self.each["local", cores]),
                "peak_mb": round(self.memory[way] / 1e6),
            }
        return {"ways": ways, "cluster_start_seconds": round(statistics.median(self.cluster), 2)}

    @contextmanager
    def _command(self, executor: str, cores: int) -> Iterator[tuple[list[str], dict[str, str], int]]:
        """(The command but for its inputs, its environment, the cluster's first process or 0)."""
        command = [sys.executable, "-m", "nemo_curator.cli", "score", *self._words]
        if executor == "local":
            yield command, {}, 0
            return
        with ray_head(cores) as head:
            self.cluster.append(head.seconds)
            yield [*command, "--executor", "ray", "--ray-address", head.address], head.environment, head.process

    def _seconds(self, command: list[str], place: dict[str, str]) -> float:
        """How long a command takes, which must write what all others of that length wrote."""
        since = time.perf_counter()
        process = self._started(command, place)
        assert process.wait() == 0, process.returncode
        seconds = time.perf_counter() - since
        parts = sorted(self._run.glob("parts/*.parquet"))
        if len(parts) == len(self._inputs):
            self._parts.add(hashlib.sha256(b"".join(part.read_bytes() for part in parts)).hexdigest())
            assert len(self._parts) == 1, "two ways gave different parts"
        return seconds

    def _started(self, command: list[str], place: dict[str, str]) -> subprocess.Popen[bytes]:
        shutil.rmtree(self._run, ignore_errors=True)
        silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        return subprocess.Popen([*command, str(self._run)], env={**os.environ, **place}, **silent)


@contextmanager
def on_cores(count: int) -> Iterator[None]:
    """What is started meanwhile stays on so many cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, set(sorted(before)[:count]))
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _ratio(over: list[float], under: list[float]) -> float:
    return round(statistics.median(one / other for one, other in zip(over, under, strict=True)), 2)


if __name__ == "__main__":
    main()

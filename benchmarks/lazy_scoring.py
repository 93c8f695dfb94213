"""What does `lazy` save when a cheap rule rejects some of the images, and what does it cost when that rejects none?

The default recipe on the photos, with one rule in front: `bytes < N`, N chosen so that it takes a given share of them.
Whole processes are timed, with `lazy` and without it in turn; where the share is 0, `lazy` only costs. The verdicts of
each pair are compared, byte for byte. Processor time is that of all processes of a run: where others are at work on the
machine, it says more than the clock. What the gate costs an image is timed alone.

Run: `python benchmarks/lazy_scoring.py [--rounds 5] [--shares 0 0.5 0.9]`
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

import pyarrow as pa

from nemo_curator.runs.deciding import RowAnswers, parse_rule
from nemo_curator.runs.parts import part_schema
from nemo_curator.stages.declarations import Column
from support.machine import publish
from support.photos import photo_shards

NSFW = "nsfw_score >= 0.8"
BATCH = 100
PICTURES = (".jpg", ".jpeg", ".png")


def lengths(photos: Path) -> list[int]:
    """Bytes of every picture, ascending."""
    found = []
    for tar in sorted(photos.glob("*.tar")):
        with tarfile.open(tar) as file:
            found += [member.size for member in file if member.name.lower().endswith(PICTURES)]
    return sorted(found)


def run(photos: Path, output: Path, least: int, *, lazy: bool) -> tuple[float, float, bytes]:
    """(seconds of one whole run, processor seconds of all its processes, the verdicts that it came to)."""
    shutil.rmtree(output, ignore_errors=True)
    rules = f"rules={{cheap: 'bytes < {least}', nsfw: '{NSFW}'}}"
    settings = ["-s", rules, "-s", f"lazy={str(lazy).lower()}"]
    command = [sys.executable, "-m", "nemo_curator.cli", "run", str(photos), str(output), "--json", *settings]
    start, worked = time.perf_counter(), processor_seconds()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    seconds = time.perf_counter() - start
    return seconds, processor_seconds() - worked, (output / "run" / "decisions.parquet").read_bytes()


def processor_seconds() -> float:
    """Of all processes that have ended below this one."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def compared(complete: list[float], lazy: list[float]) -> dict[str, float]:
    """Medians of both, and the median of the ratios of the pairs."""
    return {
        "complete": round(statistics.median(complete), 2),
        "lazy": round(statistics.median(lazy), 2),
        "times_faster": round(statistics.median(one / other for one, other in zip(complete, lazy, strict=True)), 3),
    }


def gate_milliseconds() -> float:
    """What asking three rules about a batch costs, an image."""
    schema = part_schema([Column("entropy"), Column("sharpness")])
    texts = ("least(width, height) < 64", "entropy < 2", "sharpness < 10 and entropy < 4")
    rules = [parse_rule(f"r{at}", text, schema.names) for at, text in enumerate(texts)]
    taken = []
    with RowAnswers(rules, schema) as answers:
        rows = pa.table([pa.nulls(BATCH, one.type) for one in answers.schema], schema=answers.schema)
        for _ in range(200):
            start = time.perf_counter()
            answers.ask(rows)
            taken.append(time.perf_counter() - start)
    return 1000 * statistics.median(taken) / BATCH


def main() -> None:
    """Time each share with and without."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--shares", type=float, nargs="+", default=[0.0, 0.5, 0.9])
    asked = parser.parse_args()
    before = os.getloadavg()[0]
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        photos, what = photo_shards(Path(folder) / "photos")
        sizes = lengths(photos)
        for share in asked.shares:
            least = sizes[min(int(share * len(sizes)), len(sizes) - 1)] if share else 0
            taken: dict[bool, list[tuple[float, float]]] = {True: [], False: []}
            for _ in range(asked.rounds):
                verdicts = {}
                for lazy in (False, True):
                    *figures, verdicts[lazy] = run(photos, Path(folder) / "out", least, lazy=lazy)
                    taken[lazy].append((figures[0], figures[1]))
                assert verdicts[True] == verdicts[False]
            found[f"{share:g}"] = {
                "seconds": compared([one for one, _ in taken[False]], [one for one, _ in taken[True]]),
                "processor_seconds": compared([one for _, one in taken[False]], [one for _, one in taken[True]]),
            }
    publish(
        "lazy_scoring",
        {
            "data": what,
            "rejected_share": found,
            "gate_milliseconds_an_image": round(gate_milliseconds(), 4),
            "rounds": asked.rounds,
            "load_before": round(before, 2),
        },
    )


if __name__ == "__main__":
    main()

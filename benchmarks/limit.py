"""How near does a run come to its limit: the bare library calls that the work cannot do without, on all cores?

Four kinds of work, each with reading, hashing and passing the kept bytes through: *statistics* (header, sharpness,
exposure, entropy), *models* (the default recipe: the two embedded models besides), *clip-b32* and *clip-l14* (a tower
instead). The same recipe through `imagecurator run`, and through bare loops that share nothing and keep no scores
(`contenders/bare_limit.py`), in turns, whole processes. Start-up is in both, and once more the ratio is given without
it: as the difference of two runs, of tars alike and a quarter or a third as many. Towers are of the true shape with
random numbers. Each work and size has a result of its own, to be measured one by one; 2 to 5 minutes each.

Run: `python benchmarks/limit.py [--works statistics models clip-b32 clip-l14] [--sizes 500x375 1500x1000] [--rounds 5]
[--precision int8]`
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from nemo_curator.models.numerics import runtimes
from support.machine import publish
from support.random_tower import write_random_tower
from support.sized_photos import sized_tars

SCRIPT = Path(__file__).parent / "contenders" / "bare_limit.py"
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
TOWERS = {"clip-b32": "clip-vit-base-patch32", "clip-l14": "clip-vit-large-patch14"}
SCORES = {
    "statistics": "header,sharpness,exposure,entropy",
    "models": "header,sharpness,exposure,entropy,nsfw,embedding",
}
EACH = {  # pictures of a tar
    "statistics": {"500x375": 750, "1500x1000": 250},
    "models": {"500x375": 60, "1500x1000": 60},
    "clip-b32": {"500x375": 60, "1500x1000": 60},
    "clip-l14": {"500x375": 6, "1500x1000": 6},
}
TARS = {"whole": 4 * CORES, "short": CORES}  # the short run is subtracted
# where an image costs a millisecond, both are so long that their reports show as many pictures
LONG_TARS = {"whole": 12 * CORES, "short": 4 * CORES}


@dataclass(frozen=True)
class Work:
    """One kind of work.

    Attributes:
        name: Its name.
        models: A folder of towers.
        precision: Of a tower.
    """

    name: str
    models: Path
    precision: str

    def ours(self, photos: Path, output: Path) -> list[str]:
        """The command line of the product."""
        command = [sys.executable, "-m", "nemo_curator.cli", "run", str(photos), str(output), "--json"]
        scores = SCORES.get(self.name, "header,sharpness,exposure,entropy,embedding")
        settings = {"rules": "{small: 'least(width, height) < 64'}"}
        if self.name in TOWERS:
            settings |= {"models.embedding": TOWERS[self.name], "inference.precision": self.precision}
            settings |= {"inference.runtime": runtimes()[0]}
        return [*command, "--scores", scores, *(p for k, v in settings.items() for p in ("--set", f"{k}={v}"))]

    def bare(self, photos: Path, output: Path) -> list[str]:
        """The command line of the limit."""
        work, given = self.name, {}
        if self.name in TOWERS:
            work = TOWERS[self.name]
            given = {"model_dir": str(self.models), "precision": self.precision, "runtime": runtimes()[0]}
        return [sys.executable, str(SCRIPT), work, str(photos), str(output), json.dumps(given)]


class Taken(NamedTuple):
    """What one whole process and those that it started took.

    Attributes:
        wall: Seconds.
        processor: Seconds of all cores.
    """

    wall: float
    processor: float


def take(command: list[str], output: Path, models: Path) -> Taken:
    """Run one process that writes a fresh output."""
    shutil.rmtree(output, ignore_errors=True)
    environment = {**os.environ, "IMAGECURATOR_MODEL_DIR": str(models)}
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return Taken(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def measure(work: Work, size: str, folder: Path, rounds: int) -> dict[str, Any]:
    """The figures of one work and size."""
    each, tars = EACH[work.name][size], LONG_TARS if work.name == "statistics" else TARS
    width, height = (int(side) for side in size.split("x"))
    places = {name: folder / size / name for name in tars}
    what = {name: sized_tars(place, (width, height), each * tars[name], tars[name]) for name, place in places.items()}
    taken: dict[str, list[Taken]] = {f"{who} {name}": [] for who in ("ours", "bare") for name in places}
    for at in range(rounds + 1):
        for name, place in list(places.items())[0 if at else 1 :]:
            for who, command in (("ours", work.ours), ("bare", work.bare)):
                one = take(command(place, folder / "out"), folder / "out", work.models)
                if at:  # the first round, of short runs, fills caches: of modules, and of graphs
                    taken[f"{who} {name}"].append(one)
    more = {
        who: [
            Taken(a.wall - b.wall, a.processor - b.processor)
            for a, b in zip(taken[f"{who} whole"], taken[f"{who} short"], strict=True)
        ]
        for who in ("ours", "bare")
    }
    images = each * (tars["whole"] - tars["short"])
    return {
        "work": work.name,
        "size": size,
        "data": what["whole"],
        "rounds": rounds,
        "precision": work.precision if work.name in TOWERS else "as published",
        "images_per_second": {who: round(images / median(one.wall for one in more[who]), 1) for who in more},
        "share_of_limit": ratio(more["bare"], more["ours"], "wall"),
        "share_of_limit_with_start": ratio(taken["bare whole"], taken["ours whole"], "wall"),
        "processor_ms_an_image": {
            who: round(1000 * median(one.processor for one in more[who]) / images, 3) for who in more
        },
        "share_of_limit_by_processor_time": ratio(more["bare"], more["ours"], "processor"),
        "cores_used": {who: round(median(one.processor / one.wall for one in more[who]), 2) for who in more},
        "seconds": {name: round(median(one.wall for one in each), 2) for name, each in taken.items()},
    }


def ratio(first: list[Taken], second: list[Taken], what: str) -> float:
    """Median of first over second, round by round."""
    return round(median(getattr(a, what) / getattr(b, what) for a, b in zip(first, second, strict=True)), 3)


def main() -> None:
    """Every work and size in turn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--works", nargs="+", default=list(EACH), choices=EACH)
    parser.add_argument("--sizes", nargs="+", default=["500x375", "1500x1000"], choices=["500x375", "1500x1000"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--precision", default="int8")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for name in given.works:
            work = Work(name, folder / "models", given.precision)
            if name in TOWERS:
                write_random_tower(work.models, TOWERS[name])
            for size in given.sizes:
                publish(f"limit_{name}_{size}", measure(work, size, folder, given.rounds))
                shutil.rmtree(folder / size, ignore_errors=True)


if __name__ == "__main__":
    main()

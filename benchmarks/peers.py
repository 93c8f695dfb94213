"""How fast are other packages at the same work, on the same files and machine, in turns?

*statistics*: walk tars, header, sharpness, exposure and entropy of each photo, write the same bytes into new tars: ours
against Ray Data and against plain multiprocessing, both with Pillow. *resize*: short side 256 and JPEG again, a
pipeline of ours with one stage of a user, and a recipe (which scores, decides and verifies hashes besides), against
img2dataset's resizer. *clip*: embeddings of CLIP B/32 in fp32 (ours
in int8 besides) against plain multiprocessing and Ray Data with transformers, and clip-retrieval's inference; a tower
of the true shape with random numbers. *quality*: what CleanVision looks for in a folder of files. *headers*: sizes and
shapes in a folder of files, against Data-Juicer.

Whole processes from start to end, and *steady*: the difference of that and of a run over a quarter of the files.
Packages live in environments of their own (`--install` makes them, in `--folder`); what is not installed is left out.
Each work has a result of its own; one to four minutes each.

Run: `python benchmarks/peers.py --install` once, then `python benchmarks/peers.py [--works statistics resize clip
quality headers] [--rounds 3] [--images 2000] [--folder FOLDER]`
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from nemo_curator.models.numerics import runtimes
from support.machine import publish, skip
from support.peer_environments import DEFAULT, ENVIRONMENTS, install_all, python, versions
from support.random_tower import write_random_tower
from support.sized_photos import sized_files, sized_tars

CONTENDERS = Path(__file__).parent / "contenders"
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
TOWER = "clip-vit-base-patch32"
SIZE = (500, 375)
LENGTHS = {"whole": 4 * CORES, "short": CORES}  # tars; files by the same share
QUALITY = {
    "dark": "white_point < 0.32",
    "light": "black_point > 0.95",
    "blurry": "sharpness < 0.1",
    "low_information": "dynamic_range < 0.1",
    "odd_aspect": "least(width, height) < 0.35 * greatest(width, height)",
    "odd_size": "width > 3 * quantile(width, 0.75)",
    "grey": "looks_grey",
}
SMALL = {"small": "least(width, height) < 64"}
SMALLER = tuple(
    part
    for key, value in {"resize.shortest": 256, "resize.filter": "box", "encode.quality": 95}.items()
    for part in ("--set", f"export.{key}={value}")
)


@dataclass(frozen=True)
class Contender:
    """One way to do a work.

    Attributes:
        name: As it is told.
        environment: Of its package; "" for ours.
        command: Arguments of its interpreter; INPUT and OUTPUT stand for folders.
    """

    name: str
    environment: str
    command: tuple[str, ...]

    def line(self, folder: Path, photos: Path, output: Path) -> list[str]:
        """The command line."""
        start = sys.executable if not self.environment else str(python(folder, self.environment))
        places = {"INPUT": str(photos), "OUTPUT": str(output)}
        return [start, *(places.get(part, part) for part in self.command)]


def ours(*arguments: str, name: str = "imagecurator") -> Contender:
    """A command of ours."""
    return Contender(name, "", ("-m", "nemo_curator.cli", *arguments, "--json"))


def script(name: str, environment: str, file: str, work: str, given: str = "{}") -> Contender:
    """A contender's script."""
    assert not environment or environment in ENVIRONMENTS
    return Contender(name, environment, (str(CONTENDERS / file), work, "INPUT", "OUTPUT", given))


def contenders(work: str, tower: Path) -> list[Contender]:
    """All ways to do a work, ours first."""
    given = json.dumps({"tower": str(tower)})
    embed = ("embed", "INPUT", "OUTPUT", "--model", TOWER, "--model-dir", str(tower.parents[1]))
    runtime = ("--set", f"inference.runtime={runtimes()[0]}", "--set")
    rules, scores = json.dumps(QUALITY), "header,sharpness,exposure,contrast,colour,pixels,hashes"
    return {
        "statistics": lambda: [
            ours(*run("header,sharpness,exposure,entropy", json.dumps(SMALL))),
            script("plain multiprocessing, Pillow", "usual", "plain_pool.py", work),
            script("Ray Data, Pillow", "usual", "ray_data.py", work),
        ],
        "resize": lambda: [
            script("imagecurator", "", "resize_pipeline.py", work),
            ours(*run("header", "{}"), *SMALLER, name="imagecurator, a recipe"),
            script("img2dataset's resizer", "img2dataset", "img2dataset_resize.py", work),
        ],
        "clip": lambda: [
            ours(*embed, *runtime, "inference.precision=fp32"),
            ours(*embed, *runtime, "inference.precision=int8", name="imagecurator, int8"),
            script("plain multiprocessing, transformers", "usual", "plain_pool.py", work, given),
            script("Ray Data, transformers", "usual", "ray_data.py", work, given),
            script("clip-retrieval", "clip-retrieval", "clip_retrieval_inference.py", work),
        ],
        "quality": lambda: [
            ours(*run(scores, rules), "--pixels", "--copies", "31"),
            script("CleanVision", "cleanvision", "cleanvision_issues.py", work),
        ],
        "headers": lambda: [
            ours(*run("header", json.dumps(SMALL))),
            script("Data-Juicer", "data-juicer", "data_juicer_headers.py", work),
        ],
    }[work]()


def run(scores: str, rules: str) -> tuple[str, ...]:
    """Arguments of a run of ours."""
    return ("run", "INPUT", "OUTPUT", "--scores", scores, "--set", f"rules={rules}")


def seconds(line: list[str], output: Path, images: int) -> float:
    """Wall time of a whole process that writes a fresh output; a script says how many images it did."""
    shutil.rmtree(output, ignore_errors=True)
    environment = {**os.environ, "NO_ALBUMENTATIONS_UPDATE": "1", "HF_HUB_OFFLINE": "1", "RAY_USAGE_STATS_ENABLED": "0"}
    start = time.perf_counter()
    done = subprocess.run(line, capture_output=True, text=True, check=False, env=environment)
    taken = time.perf_counter() - start
    if done.returncode:
        sys.exit(f"{' '.join(line)}\nfailed: {done.stderr[-2000:]}")
    told = re.search(r"images (\d+)\s*$", done.stdout)
    assert told is None or int(told[1]) == images, f"{told and told[1]} of {images} images: {' '.join(line)}"
    return taken


def measure(work: str, folder: Path, rounds: int, images: int, scratch: Path) -> dict[str, Any]:
    """The figures of one work."""
    counts = {name: images * tars // LENGTHS["whole"] for name, tars in LENGTHS.items()}
    tower = write_random_tower(scratch / "models", TOWER) if work == "clip" else scratch / "models" / "openai" / TOWER
    what = {}
    for name, count in counts.items():
        if work in {"quality", "headers"}:
            what[name] = sized_files(scratch / name, SIZE, count)
        else:
            what[name] = sized_tars(scratch / name, SIZE, count, LENGTHS[name])
    every = contenders(work, tower)
    found = {one.environment: versions(folder, one.environment) for one in every if one.environment}
    able = [one for one in every if not one.environment or found[one.environment]]
    if not any(one.environment for one in able):
        return {}
    taken: dict[str, dict[str, list[float]]] = {one.name: {name: [] for name in counts} for one in able}
    for _ in range(rounds):
        for name, count in counts.items():
            for one in able:
                line = one.line(folder, scratch / name, scratch / "out")
                taken[one.name][name].append(seconds(line, scratch / "out", count))
    first = taken[able[0].name]
    return {
        "work": work,
        "data": what["whole"],
        "rounds": rounds,
        "ways": {one.name: row(taken[one.name], first, counts) for one in able},
        "packages": {name: text for name, text in found.items() if text},
        "left_out": [one.name for one in every if one not in able],
    }


def row(mine: dict[str, list[float]], first: dict[str, list[float]], counts: dict[str, int]) -> dict[str, float]:
    """Seconds and images a second of one way; how many times as long as the first one it takes, round by round."""

    def steady(some: dict[str, list[float]]) -> list[float]:
        return [whole - short for whole, short in zip(some["whole"], some["short"], strict=True)]

    def times(many: list[float], few: list[float]) -> float:
        return round(median(a / b for a, b in zip(many, few, strict=True)), 2)

    return {
        "seconds": round(median(mine["whole"]), 2),
        "steady_images_per_second": round((counts["whole"] - counts["short"]) / median(steady(mine)), 1),
        "times_as_long": times(mine["whole"], first["whole"]),
        "times_as_long_steady": times(steady(mine), steady(first)),
    }


IMAGES = {"statistics": 4000, "resize": 3000, "clip": 128, "quality": 1600, "headers": 4000}


def main() -> None:
    """Every work in turn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--works", nargs="+", default=list(IMAGES), choices=IMAGES)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--images", type=int, help="of the longer run; by default as many as a work takes 10 s for")
    parser.add_argument("--folder", type=Path, default=DEFAULT, help="where the environments of the packages are")
    parser.add_argument("--install", action="store_true", help="make the environments, and leave")
    given = parser.parse_args()
    if given.install:
        failed = install_all(given.folder)
        sys.exit(f"not installed: {', '.join(failed)}" if failed else 0)
    alone = 0
    for work in given.works:
        with tempfile.TemporaryDirectory() as scratch:
            found = measure(work, given.folder, given.rounds, given.images or IMAGES[work], Path(scratch))
        if found:
            publish(f"peers_{work}", found)
        else:
            alone += 1
            sys.stderr.write(f"{work}: no other package that does this is in {given.folder}\n")
    if alone == len(given.works):
        skip(f"no other package is in {given.folder}; `python benchmarks/peers.py --install` puts them there")


if __name__ == "__main__":
    main()

"""How do time, memory and the run directory grow with the number of images, and what does resuming cost?

Tars of real photos of 500 x 375, each with other last bytes, scored by the header and the statistics that the default
recipe has, decided and exported; 250 images a tar. Per size: seconds of `imagecurator run`, memory of all
processes together at its peak (proportional), bytes of the run directory an image, and seconds of giving the same
command again once it is done (*again*: nothing is left to do) and once a tenth of the parts is removed (*resumed*).
The exponents are between the smallest and the largest size: 1 is as the number of images, 0 is flat.

Run: `python benchmarks/growth.py [--sizes 1000 10000 100000]`
"""

from __future__ import annotations

import argparse
import math
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from support.machine import publish
from support.memory import peak_memory
from support.sized_photos import sized_tars

SCORES = "header,sharpness,exposure,entropy"
EACH = 250  # images of a tar, so that the smallest size too has work for several workers


def command(photos: Path, output: Path, *more: str) -> list[str]:
    """The command line."""
    start = [sys.executable, "-m", "nemo_curator.cli", "run", str(photos), str(output), "--json", "--scores", SCORES]
    return [*start, "--set", "rules={small: 'least(width, height) < 64'}", *more]


def seconds(line: list[str]) -> float:
    """Wall time of a whole process."""
    start = time.perf_counter()
    subprocess.run(line, check=True, capture_output=True)
    return time.perf_counter() - start


def measure(size: int, folder: Path) -> dict[str, Any]:
    """The figures of one size."""
    photos, output = folder / "photos", folder / "out"
    what = sized_tars(photos, (500, 375), size, max(1, size // EACH))
    start = time.perf_counter()
    code, top = peak_memory(command(photos, output))
    taken = time.perf_counter() - start
    assert code == 0, code
    held = sum(path.stat().st_size for path in (output / "run").rglob("*") if path.is_file())
    again = seconds(command(photos, output, "--replace"))
    parts = sorted((output / "run" / "parts").iterdir())
    for part in parts[: max(1, len(parts) // 10)]:
        part.unlink()
    return {
        "data": what,
        "seconds": round(taken, 2),
        "images_per_second": round(size / taken, 1),
        "peak_mb": round(sum(top) / 1e6),
        "run_directory_bytes_an_image": round(held / size),
        "again_seconds": round(again, 2),
        "resumed_seconds": round(seconds(command(photos, output, "--replace")), 2),
    }


def main() -> None:
    """Every size in turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    sizes = sorted(parser.parse_args().sizes)
    found: dict[int, dict[str, Any]] = {}
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            found[size] = measure(size, Path(folder))
    first, last = found[sizes[0]], found[sizes[-1]]
    many = math.log(sizes[-1] / sizes[0]) or 1.0
    names = ("seconds", "peak_mb", "again_seconds", "resumed_seconds")
    exponents = {name: round(math.log(last[name] / first[name]) / many, 2) for name in names}
    publish("growth", {"sizes": {str(size): one for size, one in found.items()}, "exponents": exponents})


if __name__ == "__main__":
    main()

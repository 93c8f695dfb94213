"""How long does the default run take, against its limit and against the usual way?

*limit*: a bare loop on all cores that does what the work cannot do without, by the same libraries, with nothing around
it: read each member, hash, decode once, cut three views, three statistics, two models, write. *usual*: the script that
one would write: tarfile, Pillow, ONNX Runtime, a multiprocessing pool, the same two models and statistics. Whole
processes are timed, in turn, so that all three pay their start.

Run: `python benchmarks/default_run.py [--rounds 5]`
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from support.machine import publish
from support.photos import photo_shards

HERE = Path(__file__).parent


def seconds(command: list[str], output: Path) -> float:
    """Wall time of one whole process that writes a fresh output."""
    shutil.rmtree(output, ignore_errors=True)
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    """Time the three in turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        photos, what = photo_shards(Path(folder) / "photos")
        output = Path(folder) / "out"
        commands = {
            "ours": [sys.executable, "-m", "nemo_curator.cli", "run", str(photos), str(output), "--json"],
            "limit": [sys.executable, str(HERE / "contenders" / "bare_limit.py"), "models", str(photos), str(output)],
            "usual": [sys.executable, str(HERE / "contenders" / "usual_script.py"), str(photos), str(output)],
        }
        taken: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(rounds):
            for name, command in commands.items():
                taken[name].append(seconds(command, output))
    median = {name: statistics.median(values) for name, values in taken.items()}
    of_limit = statistics.median(limit / ours for limit, ours in zip(taken["limit"], taken["ours"], strict=True))
    over_usual = statistics.median(usual / ours for usual, ours in zip(taken["usual"], taken["ours"], strict=True))
    publish(
        "default_run",
        {
            "data": what,
            "seconds": {name: round(value, 2) for name, value in median.items()},
            "images_per_second": {name: round(1000 / value, 1) for name, value in median.items()},
            "speed_as_share_of_limit": round(of_limit, 3),
            "times_the_speed_of_usual": round(over_usual, 2),
            "rounds": rounds,
        },
    )


if __name__ == "__main__":
    main()

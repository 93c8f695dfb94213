"""How much memory does the default run take, all its processes together? The budget is 1.5 GB.

Proportional set size, summed over the command and its workers and sampled ten times a second; the peak counts.

Run: `python benchmarks/run_memory.py [--workers N]`
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from support.machine import publish
from support.memory import peak_memory
from support.photos import photo_shards

BUDGET_MB = 1500


def main() -> None:
    """Run once and publish the peak."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=None, help="one a core by default")
    workers = parser.parse_args().workers
    with tempfile.TemporaryDirectory() as folder:
        photos, what = photo_shards(Path(folder) / "photos")
        command = [sys.executable, "-m", "nemo_curator.cli", "run", str(photos), str(Path(folder) / "out"), "--json"]
        command += [] if workers is None else ["--workers", str(workers)]
        code, top = peak_memory(command)
    assert code == 0, code
    publish(
        "run_memory",
        {
            "data": what,
            "peak_mb": round(sum(top) / 1e6),
            "by_process_mb": [round(size / 1e6) for size in top],
            "budget_mb": BUDGET_MB,
        },
    )


if __name__ == "__main__":
    main()

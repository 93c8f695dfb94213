"""How long does deciding a scored run again take, and how much memory, against the bare query?

A run of made scores with the real schema, five rules, two of them quantiles, and duplicates. *limit*: the same as one
DuckDB query over the same files, with DuckDB's own defaults: no source order, no reasons, no figures, no funnel, no
check of ids, nothing synced. Whole processes are timed, in turn, so that both pay their start; the peak of each is the
largest resident set that the system saw.

Run: `python benchmarks/decide_speed.py [--rows 1000000] [--rounds 5]`
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from support.machine import publish
from support.made_run import make_run

HERE = Path(__file__).parent / "contenders"
BUDGET_MB = 1000


def run(command: list[str]) -> tuple[float, float]:
    """(wall seconds, peak resident megabytes) of one whole process."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, command
    return seconds, used.ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6


def main() -> None:
    """Time both in turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        made, ids = make_run(str(Path(folder) / "run"), given.rows)
        (Path(made.root) / "ids.json").write_text(json.dumps(ids))
        commands = {
            "ours": [sys.executable, str(HERE / "decide_once.py"), made.root],
            "limit": [sys.executable, str(HERE / "bare_query.py"), f"{made.root}/parts", f"{folder}/limit.parquet"],
        }
        taken: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
        for _ in range(given.rounds):
            for name, command in commands.items():
                taken[name].append(run(command))
    seconds = {name: statistics.median(one for one, _ in runs) for name, runs in taken.items()}
    pairs = zip(taken["limit"], taken["ours"], strict=True)
    publish(
        f"decide_speed_{given.rows}",
        {
            "data": f"{given.rows:,} made rows in {len(ids):,} parts",
            "seconds": {name: round(value, 2) for name, value in seconds.items()},
            "ratio": round(statistics.median(limit / ours for (limit, _), (ours, _) in pairs), 2),
            "peak_mb": {name: round(max(peak for _, peak in runs)) for name, runs in taken.items()},
            "budget_mb": BUDGET_MB,
            "rounds": given.rounds,
        },
    )


if __name__ == "__main__":
    main()

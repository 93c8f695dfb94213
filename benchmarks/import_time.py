"""How long does `import nemo_curator` take beyond Python's own start? Medians of fresh processes.

Run: `python benchmarks/import_time.py`
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

from support.machine import publish

RUNS = 15


def seconds(statement: str) -> float:
    """Wall time of a fresh interpreter that runs one statement."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", statement], check=True)
    return time.perf_counter() - start


def main() -> None:
    """Measure both, taking turns, so that what else the machine does hits both alike."""
    pairs = [(seconds("pass"), seconds("import nemo_curator")) for _ in range(RUNS)]
    bare, imported = (statistics.median(column) for column in zip(*pairs, strict=True))
    figures = {
        "python_ms": round(bare * 1000, 1),
        "import_nemo_curator_ms": round(imported * 1000, 1),
        "beyond_python_ms": round((imported - bare) * 1000, 1),
        "ratio": round(imported / bare, 3),
        "runs": RUNS,
    }
    publish("import_time", figures)


if __name__ == "__main__":
    main()

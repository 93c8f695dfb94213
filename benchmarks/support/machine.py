"""What machine a figure was taken on, and how figures are written down."""

from __future__ import annotations

import json
import os
import platform
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NoReturn

RESULTS = Path(os.environ.get("IMAGECURATOR_RESULTS") or Path(__file__).parents[1] / "results")
SKIPPED = 3
"""Exit code of a benchmark that needs what is not here: weights, a device, other packages, photos."""


def machine() -> dict[str, Any]:
    """Processor, cores, system and the versions that matter."""
    names = ("imagecurator", "numpy", "onnxruntime", "pillow", "simplejpeg", "cykooz-resizer", "pyarrow", "duckdb")
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in names},
    }


def publish(name: str, figures: dict[str, Any]) -> None:
    """Print figures as JSON and keep them under `benchmarks/results/`, or where IMAGECURATOR_RESULTS says."""
    taken = f"{datetime.now(tz=UTC):%Y-%m-%d}"
    text = json.dumps({"benchmark": name, "date": taken, **figures, "machine": machine()}, indent=2)
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / f"{name}.json").write_text(text + "\n")
    sys.stdout.write(text + "\n")


def skip(sentence: str) -> NoReturn:
    """Leave a benchmark that cannot be run here; the sentence says what is missing, and what to do about it."""
    sys.stderr.write(f"skipped: {sentence}\n")
    sys.exit(SKIPPED)


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:  # a machine that was lent for one benchmark
        return "not installed"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    found = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return found[0] if found else platform.processor()

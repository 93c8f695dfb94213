"""What machine a figure was taken on, and how figures are written down."""

from __future__ import annotations

import json
import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parents[1] / "results"


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
    """Print figures as JSON and keep them under `benchmarks/results/`."""
    text = json.dumps({"benchmark": name, **figures, "machine": machine()}, indent=2)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(text + "\n")
    sys.stdout.write(text + "\n")


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

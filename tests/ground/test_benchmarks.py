"""Benchmarks are scripts that work, and are listed where a reader looks for them."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted(path.name for path in (ROOT / "benchmarks").glob("*.py"))


@pytest.mark.parametrize("name", SCRIPTS)
def test_every_benchmark_is_listed(name):
    """Each script has a row in the README beside it, and its command stands beside its figures in the docs."""
    assert f"| `{name}` |" in (ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8")
    assert f"python benchmarks/{name}" in (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["import_time.py", "tar_walk.py"])
def test_short_benchmarks_run(name, tmp_path):
    """The benchmarks that take seconds run to their end and print a ratio."""
    script = ROOT / "benchmarks" / name
    done = subprocess.run([sys.executable, str(script)], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert '"ratio"' in done.stdout or '"times_faster"' in done.stdout

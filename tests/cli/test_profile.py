"""`--profile`: the same result, and where the time went."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import sysconfig

import pytest
from tests.cli import processes

from nemo_curator.cli.profile import stage_rows
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.state import RunState

PY_SPY = shutil.which("py-spy", path=sysconfig.get_path("scripts")) or shutil.which("py-spy")
WATCHES = PY_SPY is not None and not subprocess.run(
    [PY_SPY, "record", "--output", "/dev/null", "--", sys.executable, "-c", "sum(range(10**7))"],
    check=False, capture_output=True,
).returncode  # fmt: skip
watched = pytest.mark.skipif(not WATCHES, reason="py-spy is not installed, or may not look at other processes here")


def imagecurator(*arguments, **settings):
    """The command in a process of its own."""
    command = [sys.executable, "-m", "nemo_curator.cli", *map(str, arguments)]
    return subprocess.run(command, check=False, capture_output=True, text=True, **settings)


@watched
def test_a_profile_of_a_run(place, tmp_path):
    """Stages and flame graph beside the usual result, which is JSON alone on its stream."""
    done = imagecurator("run", place / "in", tmp_path / "out", "--profile", "--json", "--workers", 1)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["kept"] > 0
    graph = tmp_path / "out" / "run" / "profile.svg"
    assert "<svg" in graph.read_text()
    assert "image_reader" in done.stderr
    assert str(graph) in done.stderr
    other = tmp_path / "other"
    assert processes.imagecurator("run", place / "in", other).returncode == 0
    names = ("manifest.json", "00000.tar", "run/decisions.parquet")
    assert [(tmp_path / "out" / name).read_bytes() for name in names] == [(other / name).read_bytes() for name in names]


@watched
def test_a_failure_keeps_its_code(tmp_path):
    """What fails under the profiler fails with its own sentence and exit code, and leaves no graph."""
    done = imagecurator("score", tmp_path / "nowhere", tmp_path / "run", "--profile")
    assert done.returncode == 3
    assert "there is nothing at this path" in done.stderr
    assert not (tmp_path / "run").exists()


def test_without_py_spy(place, tmp_path):
    """Who has no py-spy is told how to get it, before anything is read."""
    code = (
        "import sys, shutil; shutil.which = lambda *a, **b: None; "
        f"sys.argv = ['imagecurator', 'run', {str(place / 'in')!r}, {str(tmp_path / 'out')!r}, '--profile']; "
        "from nemo_curator.cli.app import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 6
    assert "pip install 'imagecurator[profile]'" in done.stderr
    assert not (tmp_path / "out").exists()


def test_every_scoring_notes_its_stages(place):
    """A scored run says what its stages took, each of them that worked on it."""
    seconds = RunState.require(RunDirectory(str(place / "scored"))).facts["stage_seconds"]
    assert {"image_reader", "part_writer"} < seconds.keys()
    assert all(taken >= 0 for taken in seconds.values())


def test_rows_of_stages():
    """What took most comes first, with its share and milliseconds an input."""
    assert stage_rows({"a": 1.0, "b": 3.0}, {"a": 500, "b": 500}) == [("b", 3.0, 0.75, 6.0), ("a", 1.0, 0.25, 2.0)]
    assert stage_rows({"a": 1.0}, {"a": 1}) == [("a", 1.0, 1.0, 1000.0)]
    assert stage_rows({}, {}) == []
    assert stage_rows({"a": 0.0}, {}) == [("a", 0.0, 0.0, None)]

"""A decision that is killed while pairs are looked for and written decides to the same bytes afterwards."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from tests.cli.processes import imagecurator
from tests.crash.commands import LONGEST, Watched, dice, results
from tests.pipeline.test_protect import large, smaller

from nemo_curator.storage import is_temporary
from nemo_curator.testing import encoded

KILLS = 6
COMMON = ("--scores", "hashes,embedding", "-s", "rules={}", "--workers", "0")
NEAR = ("--copies", "31", "--similar", "0.2")

# a decision whose process dies when it is told of progress for the n-th time: a search is under way then
DIES = """
import os, signal, sys
from nemo_curator.pipeline.decide import decide_locked, recipe_of
from nemo_curator.pipeline.progress import Watcher
from nemo_curator.pipeline.progress.events import Searched
from nemo_curator.planning.recipe import Recipe
from nemo_curator.runs.layout import RunDirectory

class Dies(Watcher):
    left = int(sys.argv[2])

    def told(self, event):
        self.left -= isinstance(event, Searched)
        if not self.left:
            os.kill(os.getpid(), signal.SIGKILL)

run = RunDirectory(sys.argv[1])
duplicates = {"copies": {"distance": 31}, "similar": {"eps": 0.2}}
recipe = Recipe.model_validate({**recipe_of(run).model_dump(), "duplicates": duplicates})
decide_locked(run, recipe, watcher=Dies())
"""


def here(*arguments):
    """A command to its good end in this process, which is sooner there."""
    done = imagecurator(*arguments)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A scored run of eight photos and edits of four of them, not decided by copies yet."""
    folder = tmp_path_factory.mktemp("pairs")
    (folder / "in").mkdir()
    for seed in range(8):
        (folder / "in" / f"{seed}.jpg").write_bytes(encoded(large(seed), quality=95))
    for seed in range(4):
        (folder / "in" / f"{seed}-edit.jpg").write_bytes(encoded(smaller(large(seed)), quality=60))
    here("score", folder / "in", folder / "whole", *COMMON)
    return folder


@pytest.fixture
def scratch(tmp_path, monkeypatch):
    """A folder of its own for temporary files, which is looked into afterwards."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path / "tmp"


def copied(place, base):
    """The scored run, to be decided."""
    shutil.copytree(place / "whole", base / "run")
    return base / "run"


def decided(place, base):
    """What an uninterrupted decision leaves, and its events."""
    run = copied(place, base)
    watched = Watched(base, [run])
    events = watched.finish("decide", run, *NEAR)
    found = results(run)
    assert {"run/pairs/copies.parquet", "run/pairs/similar.parquet"} <= found.keys()
    shutil.rmtree(run)
    return found, events


def left_in(folder: Path) -> list[str]:
    """What lies under a folder."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.mark.soak
def test_killed_while_pairs_are_written(place, tmp_path, scratch):
    """At points of a seeded choice among those at which a file of pairs is made, filled, synced and named."""
    expected, events = decided(place, tmp_path)
    about_pairs = [number for number, event in enumerate(events, 1) if "/pairs" in event]
    assert len(about_pairs) >= KILLS
    chance = dice(11)
    run, watched = tmp_path / "run", Watched(tmp_path, [tmp_path / "run"])
    for point in sorted(chance.sample(about_pairs, KILLS)):
        copied(place, tmp_path)
        assert watched.kill_at(point, "decide", run, *NEAR, torn=chance.random() < 0.5)
        whole = [path for path in (run / "pairs").glob("*") if not is_temporary(str(path))]
        for path in whole:  # what has its final name is whole
            assert hashlib.sha256(path.read_bytes()).hexdigest() == expected[f"run/pairs/{path.name}"]
        here("decide", run, *NEAR)
        assert results(run) == expected, point
        shutil.rmtree(run)


@pytest.mark.parametrize("step", [1, 2])
def test_killed_during_a_search(place, tmp_path, scratch, step):
    """In the middle of the first and of the second search: its pairs are not there, and are made afterwards."""
    expected, _ = decided(place, tmp_path)
    run = copied(place, tmp_path)
    before = results(run)
    done = subprocess.run(
        [sys.executable, "-c", DIES, run, str(step)], timeout=LONGEST, capture_output=True, check=False
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    found = results(run)
    assert found.items() >= before.items()
    assert "run/decisions.parquet" not in found
    assert {name for name in found if "/pairs/" in name} <= {"run/pairs/copies.parquet"}
    facts = json.loads((run / "run.json").read_text())
    assert "funnel" not in facts
    litter = left_in(scratch)
    assert litter  # a killed process cannot tidy up …
    for path in scratch.iterdir():
        os.utime(path, (1, 1))  # … and the next one does, if nobody can be about to use it
    Watched(tmp_path, [run]).finish("decide", run, *NEAR)
    assert results(run) == expected
    assert left_in(scratch) == []

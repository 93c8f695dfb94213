"""The folder for temporary files: private, removed, and swept when its process was killed."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import pytest

from nemo_curator import storage
from nemo_curator.runs.deciding.scratch import scratch_folder


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Where temporary files go."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def left_behind(place, name="left", *, age=3600):
    """A folder with a file, as a killed process leaves it."""
    folder = place / f"imagecurator-{platform.node()}-{name}"
    (folder / "spilled").mkdir(parents=True)
    (folder / "spilled" / "block").write_bytes(b"x")
    then = folder.stat().st_mtime - age
    os.utime(folder, (then, then))
    return folder


def test_private_and_removed(place):
    """Nobody else can look into it, and it goes with all that it holds."""
    with scratch_folder() as folder:
        assert Path(folder).stat().st_mode & 0o077 == 0
        (Path(folder) / "block").write_bytes(b"x")
    assert list(place.iterdir()) == []


def test_what_the_dead_left_is_removed(place):
    """The folder of a process that was killed goes when the next one begins."""
    left_behind(place)
    with scratch_folder() as folder:
        assert [str(path) for path in place.iterdir()] == [folder]


def test_what_the_living_use_stays(place):
    """A folder that is held, is too young to be held yet, is of another machine, or is not ours, is left alone."""
    held, young = left_behind(place, "held"), left_behind(place, "young", age=0)
    others = [place / "imagecurator-of-another-machine-x", place / "something"]
    for folder in others:
        folder.mkdir()
        os.utime(folder, (0, 0))
    with storage.locked(str(held)):
        with scratch_folder():
            pass
        assert {*place.iterdir()} == {held, young, *others}

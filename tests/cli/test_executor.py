"""`--executor` and `--ray-address`: refused in one sentence where they cannot be had, before anything is written."""

from __future__ import annotations

import sys

import pytest
from tests.cli.processes import imagecurator, sentence


@pytest.mark.parametrize("command", [["run"], ["score"], ["run", "--dry-run"], ["score", "--dry-run"]])
def test_without_ray_the_extra_is_named(place, monkeypatch, command):
    """Nobody who asks for a cluster gets one machine instead, and a dry run says so too."""
    monkeypatch.chdir(place)
    monkeypatch.setitem(sys.modules, "ray", None)  # it cannot be imported, be it installed or not
    done = imagecurator(*command, "in", "new", "--executor", "ray")
    assert "a run on Ray needs the package 'ray'" in sentence(done, 6)
    assert "pip install 'imagecurator[ray]'" in done.stderr
    assert not (place / "new").exists()


def test_an_address_belongs_to_ray(place, monkeypatch):
    """It is wrong usage beside the local executor, wherever it stands."""
    monkeypatch.chdir(place)
    for words in (("--ray-address", "a:1"), ("--ray-address", "a:1", "--executor", "local")):
        done = imagecurator("run", "in", "new", *words)
        assert done.returncode == 2
        assert "--executor ray" in " ".join(done.stderr.replace("│", " ").split())
    assert not (place / "new").exists()


def test_another_executor_is_wrong_usage(place, monkeypatch):
    """The names are listed."""
    monkeypatch.chdir(place)
    done = imagecurator("score", "in", "new", "--executor", "dask")
    assert done.returncode == 2
    assert "local" in done.stderr
    assert "ray" in done.stderr

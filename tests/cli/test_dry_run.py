"""`--dry-run`, wherever it is: says what would be done, and writes nothing."""

from __future__ import annotations

import json

import pytest
from tests.cli.processes import imagecurator, tree

COMMANDS = {
    "run": ("run", "in", "new", "-r", "recipe.yaml"),
    "run-continued": ("run", "in", "out", "-r", "recipe.yaml", "--run", "run"),
    "run-replace": ("run", "in", "out", "-r", "recipe.yaml", "-s", "export.shard_size=1", "--replace"),
    "run-rescore": ("run", "in", "out", "-r", "recipe.yaml", "-s", "limits.pixels=5", "--replace", "--rescore"),
    "run-rescore-kept": ("run", "in", "new", "-r", "recipe.yaml", "-s", "limits.pixels=5", "--rescore", "--run", "run"),
    "score": ("score", "in", "new", "-r", "recipe.yaml"),
    "score-rescore": ("score", "in", "run", "-r", "recipe.yaml", "-s", "limits.pixels=5", "--rescore"),
    "decide": ("decide", "run", "--rule", "all=true"),
    "export": ("export", "run", "other"),
    "export-replace": ("export", "run", "out", "--replace", "--format", "folder"),
    "remove": ("remove", "out", "--ids", "ids.txt"),
}  # fmt: skip


@pytest.mark.parametrize("name", COMMANDS)
def test_nothing_is_written(place, monkeypatch, name):
    """Not a byte and not a folder is another one afterwards, for people and for machines."""
    monkeypatch.chdir(place)
    assert imagecurator("export", "run", "out").returncode == 0
    (place / "ids.txt").write_text("shard/a\n")
    before, folders = tree(place), sorted(path for path in place.rglob("*") if path.is_dir())
    done = imagecurator(*COMMANDS[name], "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "This was a dry run" in done.stdout
    done = imagecurator(*COMMANDS[name], "--dry-run", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)
    assert tree(place) == before
    assert sorted(path for path in place.rglob("*") if path.is_dir()) == folders


def test_what_comes_after_the_scoring_is_told(place, monkeypatch):
    """Where nothing is to be scored too: a data set would be written, stay, or be replaced; of `score`, nothing."""
    monkeypatch.chdir(place)
    command = ("run", "in", "out", "-r", "recipe.yaml", "--run", "run")
    said = imagecurator(*command, "--dry-run").stdout
    assert "2 scored already, 0 to do" in said
    assert "then:   decide what becomes of each input, and export what is kept to out\n" in said
    assert imagecurator(*command, "-w", "0").returncode == 0
    said = imagecurator(*command, "--dry-run").stdout
    assert "then:   decide again; the data set in out is finished, and would stay as it is\n" in said
    said = imagecurator(*command, "-s", "export.shard_size=1", "--replace", "--dry-run").stdout
    assert "export what is kept, in the place of the data set in out\n" in said
    said = imagecurator("score", "in", "run", "-r", "recipe.yaml", "--dry-run").stdout
    assert "then:   nothing to do; `imagecurator decide run` is next\n" in said
    assert "then:" not in imagecurator("score", "in", "new", "-r", "recipe.yaml", "--dry-run").stdout

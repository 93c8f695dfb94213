"""A command that takes RUN also takes the OUTPUT that holds it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.cli.kept import ODD
from tests.cli.processes import imagecurator, sentence

from nemo_curator import storage
from nemo_curator.runs import Run
from nemo_curator.runs.location import run_at


@pytest.fixture
def output(place: Path) -> Path:
    """What `run` wrote to, with its run directory inside."""
    (place / "output").mkdir()
    (place / "run").rename(place / "output" / "run")
    return place / "output"


@pytest.mark.parametrize(
    "arguments",
    [
        ["status"],
        ["report"],
        ["explain", "001.jpg"],
        ["duplicates"],
        ["leaks"],
        ["decide", "--rule", "wide=width > 4000"],
        ["decide", "--dry-run"],
        ["export", "small"],
    ],
    ids=" ".join,
)
def test_output_stands_for_its_run(output: Path, tmp_path: Path, arguments: list[str]) -> None:
    """The same is done and said as where the run directory itself is named, which is what the answer calls it."""
    command, *rest = arguments
    rest = [str(tmp_path / one) if one == "small" else one for one in rest]
    by_output = imagecurator(command, output, *rest, "--json")
    by_run = imagecurator(command, output / "run", *rest, "--json")
    assert by_run.returncode == by_output.returncode
    assert by_run.stderr.replace(f"{output}/run", "RUN") == by_output.stderr.replace(f"{output}/run", "RUN")
    assert by_run.stdout == by_output.stdout
    if by_run.returncode == 0 and command in {"status", "report", "decide"}:
        assert json.loads(by_output.stdout)["run"] == f"{output}/run"


def test_every_other_command(output: Path, place: Path) -> None:
    """`diff` takes two, `score` the one to go on with, `search` and `verify` theirs."""
    assert imagecurator("diff", output, output / "run").returncode == 0
    assert "has no embeddings" in sentence(imagecurator("search", output, "--image", place / "in" / ODD), 3)
    done = imagecurator("score", place / "in", output, "--json")
    assert json.loads(done.stdout)["run"] == f"{output}/run"
    assert json.loads(done.stdout)["to_score"] == 0
    assert imagecurator("export", output, place / "set").returncode == 0
    assert json.loads(imagecurator("verify", place / "set", "--run", output, "--json").stdout)["compared"] == 6


def test_the_folder_itself_comes_first(place: Path) -> None:
    """A run directory in which another one is called `run` is itself what it names; what is neither is told."""
    (place / "scored").rename(place / "run" / "run")
    assert run_at(str(place / "run")).root == f"{place}/run"
    assert Run(str(place / "run")).directory.root == f"{place}/run"
    assert "or the OUTPUT of `run`" in sentence(imagecurator("status", place / "in"), 3)


def test_in_python(output: Path) -> None:
    """A run is opened by its OUTPUT too."""
    assert Run(f"{output}/").directory.root == f"{output}/run"


def test_elsewhere_too(place: Path) -> None:
    """A URL is asked for in the same way: the place itself, and what is called `run` in it where that is none."""
    text = (place / "run" / "run.json").read_bytes()
    for url in ("memory://which/own", "memory://which/output/run", "memory://which/output/run/run"):
        with storage.write_atomic(f"{url}/run.json") as file:
            file.write(text)
    found = {url: run_at(f"memory://which/{url}").root for url in ("own", "output", "output/run", "none")}
    assert found == {
        "own": "memory://which/own",
        "output": "memory://which/output/run",
        "output/run": "memory://which/output/run",
        "none": "memory://which/none",
    }

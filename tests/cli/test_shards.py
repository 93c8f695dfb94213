"""`score --shard`: several processes at once on one run directory."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import time

import pytest
from tests.cli.processes import command, imagecurator, sentence
from tests.crash.commands import results
from tests.crash.material import make_many

RECIPE = "scores: [header, entropy, embedding]\nrules: {plain: 'entropy < quantile(entropy, 0.2)'}\n"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A folder with ten small shards and a recipe, and the results of one plain run over them."""
    folder = tmp_path_factory.mktemp("whole")
    make_many(folder / "in", shards=10, pictures=4)
    (folder / "recipe.yaml").write_text(RECIPE)
    done = imagecurator("run", folder / "in", folder / "out", "--run", folder / "run", "-r", folder / "recipe.yaml")
    assert done.returncode == 0, done.stderr
    return folder, results(folder / "run", folder / "out")


def score(whole, run, shard, *more):
    """The arguments of one shard."""
    return ("score", whole[0] / "in", run, "-r", whole[0] / "recipe.yaml", "-w", "1", "--shard", shard, *more)


def through(arguments):
    """A command to its good end, in this process."""
    done = imagecurator(*arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def finish(whole, run, out):
    """Decide and export, and the results."""
    through(("decide", run))
    through(("export", run, out))
    return results(run, out)


def at_once(*commands):
    """Commands to their good end, as processes that start together."""
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    started = [subprocess.Popen(command(*one), **pipes) for one in commands]
    said = [one.communicate(timeout=300)[1] for one in started]
    assert [(one.returncode, words) for one, words in zip(started, said, strict=True) if one.returncode] == []


def test_shards_at_once(whole, tmp_path):
    """Three shares, one of them twice, begun together where nothing is: the bytes are those of one run."""
    run = tmp_path / "run"
    at_once(*(score(whole, run, f"{number}/3") for number in (1, 2, 3, 2)))
    assert finish(whole, run, tmp_path / "out") == whole[1]


def test_shards_one_after_another(whole, tmp_path):
    """What is missing is told, also by the shards that would score it; a plain scoring fills it in."""
    run = tmp_path / "run"
    said = through(score(whole, run, "2/4"))
    assert "shard:  2/4, 3 of 10 partitions" in said
    facts = json.loads(through(("status", run, "--shards", "4", "--json")))
    assert facts["missing"] == [0, 2, 3, 4, 6, 7, 8]
    assert facts["shards_missing"] == [1, 3, 4]
    said = through(("status", run, "--shards", "4"))
    assert "missing:    1, 3, 4, 5, 7, 8, 9" in said
    assert "1, 3, 4 of 4 to be run" in said
    sentence(imagecurator("decide", run), 3)
    through(score(whole, run, "4/4"))
    through(("score", whole[0] / "in", run))
    assert "all 4 are through" in through(("status", run, "--shards", "4"))
    assert finish(whole, run, tmp_path / "out") == whole[1]


def test_a_shard_that_is_killed(whole, tmp_path):
    """Killed in the middle, the same shard goes on, and another one that is at work meanwhile is not disturbed."""
    run = tmp_path / "run"
    started = subprocess.Popen(command(*score(whole, run, "1/2")), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not list(run.glob("parts/*.parquet")):
        assert started.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.005)
    started.send_signal(signal.SIGKILL)
    started.wait()
    at_once(score(whole, run, "2/2"), score(whole, run, "1/2"))
    assert not [path for path in run.rglob("*") if ".tmp-" in path.name]
    assert finish(whole, run, tmp_path / "out") == whole[1]


def test_a_shard_finds_another_input(whole, tmp_path):
    """A share of an input that is not the one that the run began with is refused, and nothing is written."""
    run, other = tmp_path / "run", tmp_path / "in"
    through(score(whole, run, "1/2"))
    before = results(run)
    shutil.copytree(whole[0] / "in", other)
    (other / "00.tar").unlink()
    shutil.copy(whole[0] / "in" / "01.tar", other / "more.tar")
    said = sentence(imagecurator("score", other, run, "-r", whole[0] / "recipe.yaml", "--shard", "2/2"), 3)
    assert "the input is not what it was when this run began" in said
    assert "without --shard" in said
    assert results(run) == before


def test_a_shard_has_another_recipe(whole, tmp_path):
    """A share that would compute something else is refused; one whose rules are other ones alone is not."""
    run = tmp_path / "run"
    through(score(whole, run, "1/2"))
    said = sentence(imagecurator(*score(whole, run, "2/2", "--set", "scores=[header, sharpness]")), 4)
    assert "sharpness" in said
    assert "give every shard the recipe that the first one had" in said
    said = sentence(imagecurator(*score(whole, run, "2/2", "--rescore")), 4)
    assert "without --shard" in said
    through(score(whole, run, "2/2", "--set", "rules={}"))
    assert finish(whole, run, tmp_path / "out") == whole[1]


def test_no_such_shard(whole, tmp_path):
    """What is no share is a wrong use of the command."""
    done = imagecurator(*score(whole, tmp_path / "run", "5/4"))
    assert done.returncode == 2
    assert "the third of sixteen" in " ".join(done.stderr.replace("│", " ").split())
    assert not (tmp_path / "run").exists()

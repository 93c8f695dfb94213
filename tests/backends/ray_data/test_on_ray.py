"""Runs on Ray itself, where it is installed: the same files as a local run, also when hosts and drivers die."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pytest
from tests.contract.conftest import on_ray
from tests.contract.shared import Calls, Pictures, Sums, marks
from tests.contract.stages import Batches, Dies, OddFilter, Sources
from tests.contract.test_behaviour import facts, ids
from tests.contract.test_inference import EXPECTED
from tests.main_job.material import CHEAP, hashes

from nemo_curator.models.request import ModelRequest
from nemo_curator.pipeline import Pipeline
from nemo_curator.pipeline.curate import curate
from nemo_curator.pipeline.score_run import score_run
from nemo_curator.planning.recipe_text import parse_recipe
from nemo_curator.planning.sharding import Shard
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.testing import encoded, photo

pytest.importorskip("ray", reason="Ray is an extra")

ROOT = Path(__file__).parents[3]


def ended_well(script, *words):
    """What a script beside this file prints, which starts a Ray of its own."""
    done = subprocess.run(
        [sys.executable, "-m", f"tests.backends.ray_data.{script}", *map(str, words)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_a_run_is_the_same(made, tmp_path):
    """Decisions, parts, shards, manifest: byte for byte those of a local run."""
    given, recipe, expected = made
    curate([str(given)], str(tmp_path / "out"), parse_recipe(recipe.read_text()), executor="ray", address="local")
    assert hashes(tmp_path / "out") == expected


def test_shares_here_and_there(made, tmp_path):
    """A share that is scored on Ray and one that is scored here are one run, with the same files."""
    given, recipe, expected = made
    chosen, run = parse_recipe(recipe.read_text()), RunDirectory(str(tmp_path / "out" / "run"))
    score_run([str(given)], run, chosen, executor="ray", address="local", shard=Shard(1, 2))
    there = set(tmp_path.glob("out/run/parts/*"))
    score_run([str(given)], run, chosen, workers=1, shard=Shard(2, 2))
    assert there
    assert there < set(tmp_path.glob("out/run/parts/*"))
    curate([str(given)], str(tmp_path / "out"), chosen, workers=0)
    assert hashes(tmp_path / "out") == expected


def test_a_lance_data_set_is_the_same(tmp_path):
    """Read by Ray's workers, a range of rows at a time: byte for byte what a local run makes of it."""
    lance = pytest.importorskip("lance", reason="the package pylance is not installed")
    pictures = [encoded(photo(number)) for number in range(9)]
    lance.write_dataset(pa.table({"image": pictures}), tmp_path / "in" / "d.lance", max_rows_per_file=2)
    for executor in ("local", "ray"):
        address = "local" if executor == "ray" else None
        output = str(tmp_path / executor)
        curate([str(tmp_path / "in")], output, parse_recipe(CHEAP), workers=2, executor=executor, address=address)
    assert hashes(tmp_path / "ray") == hashes(tmp_path / "local")
    assert len(list((tmp_path / "ray" / "run" / "parts").iterdir())) == 5


def test_a_death_costs_one_image():
    """With the same words as on the local executor, told once; records that were read add up."""
    read, given_up = [0, 0, 0], []
    executor = on_ray()
    executor._progress = lambda index, count: read.__setitem__(index, read[index] + count)
    executor._on_condemned = lambda *told: given_up.append(told)
    pipeline = Pipeline("p", stages=[Sources(), Batches(), OddFilter(), Dies(on=("b/2",))])
    tasks = pipeline.run(executor)
    assert ids(tasks) == [f"{part}/{n}" for part in "abc" for n in (0, 2, 4) if (part, n) != ("b", 2)]
    assert ("b/2", "quarantine", "batches") in facts(pipeline)
    assert len(facts(pipeline)) == 10
    assert read == [6, 6, 6]
    assert given_up == [(1, "b/2", "its worker was killed by SIGKILL, twice")]


def test_a_share_of_a_device():
    """A stage that asks for one is computed by a worker that Ray gave the device to."""
    assert json.loads(ended_well("with_a_device").splitlines()[-1]) == {"images": 18, "devices": ["0"]}


def test_a_large_model_is_loaded_once_a_seat(tmp_path):
    """Its two workers ask one process, and get what the model itself gives."""
    stage = Calls(ModelRequest.of(Sums, folder=str(tmp_path)))
    tasks = on_ray().execute([Sources(), Pictures(), stage])
    assert {image.image_id: image.metadata["row"] for task in tasks for image in task.data} == EXPECTED
    assert marks(tmp_path, "loaded") == 1


@pytest.mark.soak
def test_a_host_that_dies(made, tmp_path):
    """Of three hosts one dies with partitions in work: others do them, and no byte differs."""
    given, recipe, expected = made
    mark = tmp_path / "mark"
    ended_well("three_hosts", given, tmp_path / "out", recipe, mark)
    assert Path(f"{mark}-dead").exists()
    assert hashes(tmp_path / "out") == expected


@pytest.mark.soak
def test_a_driver_that_dies(made, tmp_path):
    """Killed with parts written, the same command goes on from the run directory, on Ray or not; no token is left."""
    given, recipe, expected = made
    output = tmp_path / "out"
    command = [sys.executable, "-m", "nemo_curator.cli", "run", str(given), str(output), "-r", str(recipe)]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    environment = {**kept, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]), "HOME": str(tmp_path / "home")}
    with subprocess.Popen([*command, "--executor", "ray"], cwd=ROOT, env=environment) as process:
        while not list(output.glob("run/parts/*.parquet")):
            assert process.poll() is None
            time.sleep(0.02)
        process.kill()
    subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)
    assert hashes(output) == expected
    assert not (tmp_path / "home" / ".ray").exists()

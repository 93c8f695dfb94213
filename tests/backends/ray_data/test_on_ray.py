"""Runs on Ray itself, where it is installed: the same files as a local run, also when hosts and drivers die."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pytest
from tests.contract.conftest import on_ray
from tests.contract.stages import Batches, Dies, OddFilter, Sources
from tests.contract.test_behaviour import facts, ids
from tests.main_job.material import CHEAP, MAY_DIFFER, make_input

from nemo_curator.pipeline import Pipeline
from nemo_curator.pipeline.curate import curate
from nemo_curator.planning.recipe_text import parse_recipe
from nemo_curator.testing import encoded, photo

pytest.importorskip("ray", reason="Ray is an extra")

ROOT = Path(__file__).parents[3]
HERE = "tests.backends.ray_data.doomed"
RECIPE = CHEAP.replace("entropy]", f"entropy, hashes, '{HERE}:DoomedStage']")


def files(folder):
    """Path to hash, of every file that must not differ."""
    found = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
    kept = sorted(set(found) - set(MAY_DIFFER))
    return {name: hashlib.sha256(found[name].read_bytes()).hexdigest() for name in kept}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """(Input, recipe file, files of a local run by two workers)."""
    folder = tmp_path_factory.mktemp("made")
    make_input(folder / "in")
    recipe = folder / "recipe.yaml"
    recipe.write_text(RECIPE, encoding="utf-8")
    outputs = [folder / f"local-{workers}" for workers in (1, 2)]
    for workers, output in enumerate(outputs, 1):
        curate([str(folder / "in")], str(output), parse_recipe(RECIPE), workers=workers)
    assert files(outputs[0]) == files(outputs[1])
    return folder / "in", recipe, files(outputs[0])


def test_a_run_is_the_same(made, tmp_path):
    """Decisions, parts, shards, manifest: byte for byte those of a local run."""
    given, recipe, expected = made
    curate([str(given)], str(tmp_path / "out"), parse_recipe(recipe.read_text()), executor="ray", address="local")
    assert files(tmp_path / "out") == expected


def test_a_lance_data_set_is_the_same(tmp_path):
    """Read by Ray's workers, a range of rows at a time: byte for byte what a local run makes of it."""
    lance = pytest.importorskip("lance", reason="the package pylance is not installed")
    pictures = [encoded(photo(number)) for number in range(9)]
    lance.write_dataset(pa.table({"image": pictures}), tmp_path / "in" / "d.lance", max_rows_per_file=2)
    for executor in ("local", "ray"):
        address = "local" if executor == "ray" else None
        output = str(tmp_path / executor)
        curate([str(tmp_path / "in")], output, parse_recipe(CHEAP), workers=2, executor=executor, address=address)
    assert files(tmp_path / "ray") == files(tmp_path / "local")
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


@pytest.mark.soak
def test_a_host_that_dies(made, tmp_path):
    """Of three hosts one dies with partitions in work: others do them, and no byte differs."""
    given, recipe, expected = made
    mark = tmp_path / "mark"
    script = [sys.executable, "-m", "tests.backends.ray_data.three_hosts"]
    done = subprocess.run(
        [*script, str(given), str(tmp_path / "out"), str(recipe), str(mark)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert Path(f"{mark}-dead").exists()
    assert files(tmp_path / "out") == expected


@pytest.mark.soak
def test_a_driver_that_dies(made, tmp_path):
    """Killed with parts written, the same command goes on from the run directory, on Ray or not."""
    given, recipe, expected = made
    output = tmp_path / "out"
    command = [sys.executable, "-m", "nemo_curator.cli", "run", str(given), str(output), "-r", str(recipe)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    environment.pop("RAY_ADDRESS", None)
    with subprocess.Popen([*command, "--executor", "ray"], cwd=ROOT, env=environment) as process:
        while not list(output.glob("run/parts/*.parquet")):
            assert process.poll() is None
            time.sleep(0.02)
        process.kill()
    subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)
    assert files(output) == expected

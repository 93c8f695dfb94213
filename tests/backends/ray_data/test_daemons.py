"""Runs on a cluster of daemons, as `ray start` makes it, by the command: nodes and the head are killed."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pytest
from tests.backends.ray_data.daemons import PATIENCE, Daemons, daemons, environment
from tests.backends.ray_data.doomed import MARK
from tests.main_job.material import hashes
from tests.models.formula import SMALL_TOWER, clip_config
from tests.models.torch_reference import write_tower

pytest.importorskip("ray", reason="Ray is an extra")
pytestmark = pytest.mark.soak


@pytest.fixture
def cluster():
    """A cluster whose head is up."""
    with daemons() as made:
        made.head()
        yield made


def command(made, output, cluster: Daemons, *words: str) -> list[str]:
    """The command of a user who has a cluster."""
    run = [sys.executable, "-m", "nemo_curator.cli", "run", str(made.given), str(output), "-r", str(made.recipe)]
    return [*run, "--executor", "ray", "--ray-address", cluster.address, *words]


def until(there, process: subprocess.Popen[str]) -> None:
    """Wait for something that a command does."""
    end = time.monotonic() + PATIENCE
    while not there():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.02)


def test_nodes_come_and_one_is_killed(made, cluster, tmp_path):
    """On three nodes, and where one of three is killed at work: the same files, and nothing but JSON on stdout."""
    cluster.join()
    doomed = cluster.join(**{MARK: str(tmp_path / "mark")})
    told = {"env": environment(), "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command(made, tmp_path / "killed", cluster, "--json"), **told) as process:
        until((tmp_path / "mark").exists, process)
        cluster.kill(doomed)
        stdout, stderr = process.communicate()
    assert process.returncode == 0, stderr
    assert json.loads(stdout)["funnel"]["inputs"] == 30
    assert hashes(tmp_path / "killed") == made.expected
    cluster.join()
    done = subprocess.run(command(made, tmp_path / "whole", cluster, "--json"), **told, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["funnel"]["inputs"] == 30
    assert hashes(tmp_path / "whole") == made.expected


def test_the_head_is_killed(made, tmp_path):
    """That is said; on a head that is started again the same command goes on, and does nothing twice that was done."""
    soon = {"RAY_gcs_rpc_server_reconnect_timeout_s": "40"}  # when Ray gives up; a minute by default
    output = tmp_path / "out"
    told = {"env": environment(**soon), "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with daemons() as cluster:
        head = cluster.head(**soon)
        node = cluster.join(**soon, **{MARK: str(tmp_path / "mark")})
        words = command(made, output, cluster)
        with subprocess.Popen(words, **told) as process:
            until(lambda: (tmp_path / "mark").exists() and list(output.glob("run/parts/*.parquet")), process)
            cluster.kill(head)
            _, stderr = process.communicate()
        assert process.returncode != 0
        assert "the Ray cluster did not answer" in stderr
        cluster.kill(node)
        parts = {path: path.stat().st_mtime_ns for path in output.glob("run/parts/*.parquet")}
        cluster.head()
        cluster.join()
        done = subprocess.run(words, **told, check=False)
    assert done.returncode == 0, done.stderr
    assert f"{len(parts)} of 5 partitions" in done.stderr
    assert {path: path.stat().st_mtime_ns for path in parts} == parts
    assert hashes(output) == made.expected


def test_a_large_tower(made, tmp_path):
    """Embeddings of a CLIP on two nodes are those of a local run, byte for byte."""
    tower = clip_config(32, 512, **SMALL_TOWER)
    write_tower(tmp_path / "models" / "openai" / "clip-vit-base-patch32", tower)
    place = {"IMAGECURATOR_MODEL_DIR": str(tmp_path / "models"), "IMAGECURATOR_CACHE": str(tmp_path / "cache")}
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("scores: [header, embedding]\nmodels: {embedding: clip-vit-base-patch32}\nrules: {}\n")
    mine = made._replace(recipe=recipe)
    with daemons() as cluster:
        cluster.head(**place)
        cluster.join(**place)
        subprocess.run(command(mine, tmp_path / "there", cluster), env=environment(**place), check=True)
    words = [sys.executable, "-m", "nemo_curator.cli", "run", str(made.given), str(tmp_path / "here")]
    subprocess.run([*words, "-r", str(recipe), "--workers", "2"], env=environment(**place), check=True)
    assert list(tmp_path.glob("there/run/embeddings/*"))
    assert hashes(tmp_path / "there") == hashes(tmp_path / "here")


@pytest.mark.parametrize("token", ["", "f" * 64])
def test_whom_the_cluster_does_not_know(made, cluster, tmp_path, token):
    """Without its token, or with another one, the run ends with one sentence, and writes nothing of its own."""
    stranger = environment(RAY_AUTH_TOKEN=token, HOME=str(tmp_path))
    words = command(made, tmp_path / "out", cluster)
    done = subprocess.run(words, env=stranger, capture_output=True, text=True, check=False)
    assert done.returncode == 7, done.stderr
    said = done.stderr.rstrip().splitlines()[-1]
    assert said.startswith(f"imagecurator: {cluster.address}: no Ray cluster answers")
    assert "RAY_AUTH_TOKEN" in said
    assert "Traceback" not in done.stderr

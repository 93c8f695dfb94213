"""Decoders that abort, crash, hang and eat memory cost their own image, and nothing else."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from tests.main_job.dangerous import DEEDS, LOG, ppm
from tests.main_job.material import decisions

from nemo_curator.pipeline.curate import curate
from nemo_curator.pipeline.given_up import GivenUp
from nemo_curator.pipeline.score_plan import plan_score
from nemo_curator.planning.recipe_text import parse_recipe
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.shards.listing import list_inputs
from nemo_curator.testing import make_tar

ROOT = Path(__file__).resolve().parents[2]
RECIPE = """
scores: ["tests.main_job.dangerous:FirstPixelFilterStage"]
rules: {}
limits: {seconds: 5, memory: 300MB}
"""
SAYS = {
    "abort": ("worker_died", "its worker was killed by SIGABRT, twice"),
    "crash": ("worker_died", "its worker was killed by SIGSEGV, twice"),
    "hang": ("worker_died", "its worker was killed after 5 seconds on one image, twice"),
    "eat": ("over_limit", "its decoder takes more memory than the limit of 300,000,000 bytes; raise limits.memory"),
    "eatshared": (
        "worker_died",
        "its worker was killed for taking more than 300,000,000 bytes of memory for one image",
    ),
}
COUNT = 230  # more than two batches


def material(folder: Path, dangers: dict[int, str], count: int = COUNT, *, with_them: bool = True) -> str:
    """One tar of small pictures, some of them dangerous, and one loose picture of each kind."""
    members = [
        (f"{at:04d}.ppm", ppm(dangers.get(at, "fine"), at)) for at in range(count) if with_them or at not in dangers
    ]
    make_tar(folder / "a.tar", members)
    for at, word in enumerate(sorted({"fine", *dangers.values()})):
        if with_them or word == "fine":
            (folder / f"{word}.ppm").write_bytes(ppm(word, at))
    return str(folder)


def tars(output: Path) -> dict[str, str]:
    """Hash of every delivered tar."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(output.glob("*.tar"))}


def run(source: str, output: Path, workers: int = 2):
    """Curate with real worker processes."""
    return curate([source], str(output), parse_recipe(RECIPE), workers=workers)


def test_each_costs_its_own_image(tmp_path):
    """Exactly the dangerous images are quarantined, with the signal or the limit as reason.

    The delivered tars are byte for byte those of a run that never saw them.
    """
    dangers = dict(zip((40, 101, 103, 150, 229), DEEDS, strict=True))
    assert set(DEEDS) == set(SAYS)
    summary = run(material(tmp_path / "in", dangers), tmp_path / "out")
    expected = {f"a/{at:04d}": word for at, word in dangers.items()} | {f"{word}.ppm": word for word in DEEDS}
    rows = {row["image_id"]: row for row in decisions(tmp_path / "out")}
    assert summary.funnel.inputs == len(rows) == COUNT + len(DEEDS) + 1
    assert {name for name, row in rows.items() if row["verdict"] == "quarantine"} == set(expected)
    for name, word in expected.items():
        code, detail = SAYS[word]
        assert rows[name]["reason"].startswith(f"{code}: {detail}"), rows[name]["reason"]
    run(material(tmp_path / "without", dangers, with_them=False), tmp_path / "bare", 0)
    assert tars(tmp_path / "out") == tars(tmp_path / "bare") != {}
    assert not (tmp_path / "out" / "run" / "condemned").exists()


@pytest.mark.parametrize("workers", [1, 3])
def test_only_one_batch_is_worked_on_again(tmp_path, monkeypatch, workers):
    """The batches of a partition before the one that killed its worker are not decoded again, nor those behind it."""
    monkeypatch.setenv(LOG, str(tmp_path / "log"))
    make_tar(
        tmp_path / "in" / "a.tar", [(f"{at:04d}.ppm", ppm("abort" if at == 130 else "fine", at)) for at in range(COUNT)]
    )
    summary = run(str(tmp_path / "in"), tmp_path / "out", workers)
    assert summary.funnel.kept == COUNT - 1
    times = Counter(int(line.split()[1]) for line in (tmp_path / "log").read_text().splitlines())
    assert times[130] == 2
    assert {times[at] for at in range(100)} == {1}, "the batch before"
    assert {times[at] for at in range(100, 130)} == {3}, "tried, tried again, and done without the one that kills"
    assert {times[at] for at in range(131, COUNT)} == {1}, "what comes after"


@pytest.mark.soak
def test_the_same_whatever_the_number_of_workers(tmp_path):
    """Parts and decisions of a run with deaths are those of a run of one worker, byte by byte."""
    source = material(tmp_path / "in", {3: "abort", 110: "crash"}, 120)
    for workers in (1, 3):
        run(source, tmp_path / f"{workers}", workers)
    for name in ("decisions.parquet", *(f"parts/{path.name}" for path in (tmp_path / "1/run/parts").iterdir())):
        assert (tmp_path / "1/run" / name).read_bytes() == (tmp_path / "3/run" / name).read_bytes(), name


def test_a_verdict_outlives_the_run(tmp_path, monkeypatch):
    """A run that is killed after it gave an image up does not try that image again when it goes on."""
    monkeypatch.setenv(LOG, str(tmp_path / "log"))
    words = {10: "hang", 150: "hang"}
    make_tar(tmp_path / "in" / "a.tar", [(f"{at:04d}.ppm", ppm(words.get(at, "fine"), at)) for at in range(200)])
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    command = [sys.executable, "-m", "nemo_curator.cli", "run", str(tmp_path / "in"), str(tmp_path / "out")]
    command += ["--recipe", str(tmp_path / "recipe.yaml"), "--workers", "1"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "src")])}
    first = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    deadline = time.monotonic() + 60
    while not list((tmp_path / "out" / "run").glob("condemned/*.json")) and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    assert not list((tmp_path / "out/run/parts").glob("*.parquet"))
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    times = Counter(line for line in (tmp_path / "log").read_text().splitlines())
    assert (times["hang 10"], times["hang 150"]) == (2, 2)
    rows = {row["image_id"]: row for row in decisions(tmp_path / "out") if row["verdict"] == "quarantine"}
    assert set(rows) == {"a/0010", "a/0150"}
    assert not (tmp_path / "out" / "run" / "condemned").exists()


def test_a_score_that_is_added_does_not_try_again(tmp_path, monkeypatch):
    """What a part says of an image that cost two workers holds for columns that are added to the part."""
    monkeypatch.setenv(LOG, str(tmp_path / "log"))
    source = material(tmp_path / "in", {5: "abort"}, 20)
    run(source, tmp_path / "out")
    before = (tmp_path / "log").read_text().splitlines().count("abort 5")
    more = parse_recipe(RECIPE.replace('Stage"]', 'Stage", sharpness]'))
    summary = curate([source], str(tmp_path / "out"), more, workers=1, rescore=False, replace=True)
    assert summary.funnel.quarantined == {"worker_died": 2}
    assert before == (tmp_path / "log").read_text().splitlines().count("abort 5") == 2


def test_a_very_long_name_is_found_too(tmp_path):
    """The id of the image that a worker died on is known whole, however long a name in a tar may be."""
    name = "x" * 60_000
    members = [("a.ppm", ppm("fine", 1)), (f"{name}.ppm", ppm("abort", 2)), ("b.ppm", ppm("fine", 3))]
    make_tar(tmp_path / "in" / "a.tar", members)
    summary = run(str(tmp_path / "in"), tmp_path / "out", 1)
    assert (summary.funnel.kept, summary.funnel.quarantined) == (2, {"worker_died": 1})


@pytest.mark.parametrize("mended", [False, True])
def test_a_note_is_about_the_files_as_they_were(tmp_path, mended):
    """A verdict that was noted before a kill holds for that file, and not for the one that took its place."""
    (tmp_path / "in").mkdir()
    file = tmp_path / "in" / "a.ppm"
    file.write_bytes(ppm("abort", 1))
    recipe = parse_recipe(RECIPE)
    listing = list_inputs([str(tmp_path / "in")])
    plan = plan_score(RunDirectory(str(tmp_path / "run")), listing, recipe)
    GivenUp(plan.run, plan.partitions, plan.scoring.fingerprints, added=False).add(0, "a.ppm", "as noted")
    if mended:
        file.write_bytes(ppm("fine", 22))
    again = plan_score(plan.run, list_inputs([str(tmp_path / "in")]), recipe)
    known = GivenUp(plan.run, again.partitions, again.scoring.fingerprints, added=False).images(0)
    assert known == ({} if mended else {"a.ppm": "as noted"})

"""One process a host holds a large model: it is loaded once, and its death costs nothing but time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from tests.contract.shared import (
    Calls,
    Dying,
    Fails,
    Hangs,
    Killing,
    Picky,
    Pictures,
    Slow,
    Sums,
    alone,
    children,
    marks,
)
from tests.contract.stages import DiesOnce, Plain, Sources
from tests.contract.test_processes import ROOT, alive, descriptors, until

from nemo_curator.backends.local import LocalExecutor
from nemo_curator.errors import ModelError, StageError, WeightsError
from nemo_curator.models.request import ModelRequest

SCRIPT = """
import sys
from nemo_curator.backends.local import LocalExecutor
from nemo_curator.models.request import ModelRequest
from nemo_curator.pipeline import Pipeline
from tests.contract.shared import Calls, Pictures, Slow
from tests.contract.stages import Sources

calls = Calls(ModelRequest.of(Slow, folder=sys.argv[1], seconds=float(sys.argv[2])))
Pipeline("p", stages=[Sources(), Pictures(), calls]).run(LocalExecutor({"num_workers": 2}))
"""


def wanting(model, folder, **arguments):
    """A stage that calls a model which leaves its marks in a folder."""
    return Calls(ModelRequest.of(model, folder=str(folder), **arguments))


def run(*stages, workers=2, started=LocalExecutor, **settings):
    """(Image id to row, records) of three partitions that went through the stages."""
    executor = started({"num_workers": workers, **settings})
    tasks = executor.execute([Sources(), Pictures(), *stages])
    return {image.image_id: image.metadata["row"] for task in tasks for image in task.data}, executor.records


EXPECTED = {f"{one}/{k}": [k * 8 * 8 * 3.0, float(k)] for one in "abc" for k in range(6)}


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_it_is_loaded_once(tmp_path, workers):
    """However many workers there are, there is one copy, and the answers are those of the model itself."""
    assert run(wanting(Sums, tmp_path), workers=workers) == (EXPECTED, [])
    assert marks(tmp_path, "loaded") == 1


def test_two_models_and_two_stages_of_one(started, tmp_path):
    """Equal requests are one model, also of two stages; another request is another model."""
    again = wanting(Sums, tmp_path).with_(name="again")
    other = wanting(Picky, tmp_path).with_(name="other")
    assert run(wanting(Sums, tmp_path), again, other, workers=1, started=started) == (EXPECTED, [])
    assert marks(tmp_path, "loaded") == 2


def test_no_process_without_a_model_to_share():
    """A pipeline of small stages starts workers alone."""
    seen = set()

    def look(*_):
        seen.update(" ".join(one.cmdline()) for one in children())

    LocalExecutor({"num_workers": 1}, progress=look).execute([Sources(), Pictures(), Plain()])
    assert seen
    assert not any("local.inference" in one for one in seen)


@pytest.mark.parametrize(("deaths", "workers"), [({"calls": 1, "loads": 1}, 2), ({"calls": 2}, 1), ({"loads": 2}, 1)])
def test_its_death_costs_nothing(started, tmp_path, deaths, workers):
    """It is started again, and workers ask again for what they were waiting for."""
    assert run(wanting(Dying, tmp_path, **deaths), workers=workers, started=started) == (EXPECTED, [])
    assert marks(tmp_path, "loaded") == 1 + sum(deaths.values())


@pytest.mark.parametrize(("deaths", "workers"), [({"calls": 99}, 2), ({"loads": 99}, 1)])
def test_it_is_not_started_for_ever(started, tmp_path, deaths, workers):
    """Where it dies whatever is done, the run ends with one sentence, and no process is left."""
    with pytest.raises(ModelError, match=r"was killed by SIGKILL, 3 times in a row \(memory ran out.*goes on where"):
        run(wanting(Dying, tmp_path, **deaths), workers=workers, started=started)
    assert children() == []


@pytest.mark.parametrize(("hangs", "workers"), [({"calls": 1}, 2), ({"loads": 1}, 1)])
def test_one_that_hangs_is_started_again(started, tmp_path, hangs, workers):
    """A call or a load that never comes back costs the limit and nothing else."""
    assert run(wanting(Hangs, tmp_path, **hangs), workers=workers, started=started, model_seconds=5) == (EXPECTED, [])
    assert marks(tmp_path, "loaded") >= 2


def test_one_that_always_hangs_ends_the_run(tmp_path):
    """The sentence says that nothing came, and no process is left."""
    said = r"gave nothing for 2 seconds, 3 times in a row \(a native library hangs\).*goes on where"
    with pytest.raises(ModelError, match=said):
        run(wanting(Hangs, tmp_path, calls=99), workers=1, model_seconds=2)
    assert children() == []


def test_slow_is_not_stuck(tmp_path):
    """What is computed counts: many short turns may take longer than the limit."""
    executor = LocalExecutor({"num_workers": 1, "model_seconds": 5})
    slow = wanting(Slow, tmp_path, seconds=0.6)
    tasks = executor.execute([Sources(partitions=1), Pictures(batches=1, size=100), slow])
    assert [len(task.data) for task in tasks] == [100]
    assert (marks(tmp_path, "loaded"), marks(tmp_path, "called")) == (1, 10)


@pytest.mark.parametrize("seconds", [0, -1, "long", True, float("nan")])
def test_a_limit_that_is_none_is_refused(seconds):
    """Before anything runs."""
    with pytest.raises(ValueError, match="model_seconds must be a number above 0"):
        run(Plain(), model_seconds=seconds)


def test_the_death_of_a_worker_that_waits_is_no_images_fault(tmp_path):
    """Workers that are ended from outside while they wait cost no image, and disturb nobody."""
    stage = wanting(Killing, tmp_path, calls=4)
    stage.own_number = True
    rows, records = run(stage)
    assert (set(rows), records) == (set(EXPECTED), [])
    assert marks(tmp_path, "called") > 4
    assert marks(tmp_path, "loaded") == 1


def test_workers_that_always_die_waiting_end_the_run(tmp_path):
    """What ends them will not stop, so the run does."""
    stage = wanting(Killing, tmp_path, calls=99)
    stage.own_number = True
    with pytest.raises(StageError, match=r"10 workers died in a row while they waited.*was killed by SIGKILL"):
        run(stage)


def test_waiting_is_not_the_images_time(tmp_path):
    """A model that takes longer than an image may, in a try that watches every image, condemns none."""
    dies = DiesOnce(on=("a/2",), watched=False, mark=str(tmp_path / "mark"))
    executor = LocalExecutor({"num_workers": 1, "image_seconds": 1.5})
    (batch,) = executor.execute(
        [Sources(partitions=1), Pictures(batches=1), wanting(Slow, tmp_path, seconds=1.7), dies]
    )
    assert ([image.image_id for image in batch.data], executor.records) == (["a/0", "a/1", "a/2"], [])
    assert marks(tmp_path, "called") == 1 + 3  # all together, and after the death each by itself


def test_what_loading_raises_arrives(tmp_path):
    """An error of ours ends the run as it is, another one as a sentence that names the stage."""
    with pytest.raises(WeightsError) as raised:
        run(wanting(Fails, tmp_path), workers=1)
    assert (raised.value.where, raised.value.act) == ("w.pth", "put another one there")
    with pytest.raises(StageError, match="stage 'calls' could not be set up: RuntimeError: a library says no"):
        run(wanting(Fails, tmp_path, ours=False), workers=1)


@pytest.mark.parametrize("workers", [0, 2])
def test_what_it_raises_on_one_picture_costs_that_image(tmp_path, workers):
    """As if the model were in the worker."""
    executor = LocalExecutor({"num_workers": workers})
    tasks = executor.execute([Sources(partitions=1), Pictures(size=10), wanting(Picky, tmp_path)])
    assert [image.image_id for task in tasks for image in task.data] == [f"a/{k}" for k in range(20) if k != 13]
    assert [(one.image_id, one.code, one.detail) for one in executor.records] == [
        ("a/13", "stage_failed", "ValueError: thirteen")
    ]


@pytest.fixture
def slow(tmp_path):
    """A script at work whose model sleeps, while it is loaded or called; (script, numbers of all its processes)."""
    scripts: list[subprocess.Popen[str]] = []
    found: list[psutil.Process] = []

    def start(*, loading):
        path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        environment = {**os.environ, "PYTHONPATH": path, "TMPDIR": str(tmp_path / "temporary")}
        (tmp_path / "temporary").mkdir()
        (tmp_path / "marks").mkdir()
        script = subprocess.Popen(
            [sys.executable, "-c", SCRIPT, str(tmp_path / "marks"), "600" if loading else "1"],
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        scripts.append(script)
        done = "loaded" if loading else "called"
        until(lambda: marks(tmp_path / "marks", done) or script.poll() is not None, 60)
        found.extend(psutil.Process(script.pid).children(recursive=True))
        return script, [one.pid for one in found]

    yield start
    for script in scripts:
        script.kill()
        script.communicate()
    for process in found:
        if process.is_running():
            process.kill()


@pytest.mark.parametrize("loading", [True, False])
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_it_does_not_outlive_its_run(slow, tmp_path, how, loading):
    """After Ctrl-C and after the death of the supervisor neither a process nor a file of it is left."""
    script, processes = slow(loading=loading)
    assert len(processes) == 3
    script.send_signal(how)
    script.wait(60)
    until(lambda: not any(map(alive, processes)), 60)
    assert list((tmp_path / "temporary").iterdir()) == []


def opened_and_left(how: str, folder: str) -> list[int]:
    """Descriptors before and after a run that ends so, and processes that are left."""
    models = {
        "finished": wanting(Sums, folder),
        "died": wanting(Dying, folder, loads=99),
        "failed": wanting(Fails, folder),
    }

    def execute():
        try:
            run(models[how], workers=1)
        except ModelError as error:
            assert how != "finished"
            return descriptors(), children(), error
        return descriptors(), children(), None

    execute()
    before = descriptors()
    after, left, _ = execute()
    return [before, after, len(left)]


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc")
@pytest.mark.parametrize("how", ["finished", "died", "failed"])
def test_nothing_is_left_open(tmp_path, how):
    """However a run with an inference process ends, its descriptors are closed and its processes reaped."""
    before, after, left = alone(opened_and_left, how, str(tmp_path))
    assert (after, left) == (before, 0)


def test_a_busy_inference_process_is_asked_by_all(tmp_path):
    """Workers that wait at the same time are all answered, each with its own rows."""
    start = time.monotonic()
    assert run(wanting(Slow, tmp_path, seconds=0.05), workers=3) == (EXPECTED, [])
    assert marks(tmp_path, "called") == 6
    assert time.monotonic() - start >= 6 * 0.05  # one after the other: they would only share the cores

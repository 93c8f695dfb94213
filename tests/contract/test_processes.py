"""Processes come and go cleanly: scripts without a guard, Ctrl-C, a killed parent, descriptors, zombies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from tests.contract.shared import alone, children
from tests.contract.stages import Batches, Dies, Plain, Raises, Sources

from nemo_curator.backends.local import LocalExecutor
from nemo_curator.errors import StageError

ROOT = Path(__file__).parents[2]

SCRIPT = """
from dataclasses import dataclass
from nemo_curator.backends.local import LocalExecutor
from nemo_curator.errors import CuratorError
from nemo_curator.pipeline import Pipeline
from nemo_curator.stages.base import ProcessingStage
from nemo_curator.stages.function_decorators import processing_stage
from nemo_curator.tasks import FileGroupTask, ImageBatch, ImageObject

print("main runs")

class OwnError(CuratorError):
    pass

@dataclass
class Note:
    text: str

@dataclass
class Read(ProcessingStage[FileGroupTask, ImageBatch]):
    prefix: str = "image"
    name: str = "read"

    def process(self, task):
        return ImageBatch(data=[ImageObject(image_id=f"{self.prefix}-{path}") for path in task.data])

class Own(ProcessingStage[ImageBatch, ImageBatch]):
    name = "own"

    def process(self, task):
        if task.data[0].image_id.endswith("bad"):
            raise OwnError("a mistake of our own")
        for image in task.data:
            image.metadata["note"] = Note(image.image_id)
        return ImageBatch(data=task.data[1:])

@processing_stage(name="decorated")
def decorated(task):
    return task

pipeline = Pipeline("script", stages=[Read(), Own(), decorated])
given = [FileGroupTask(data=["a", "b"]), FileGroupTask(data=["c", "d"])]
tasks = pipeline.run(LocalExecutor({"num_workers": 2}), given)
notes = [image.metadata["note"] for task in tasks for image in task.data]
print([note.text for note in notes], all(type(note) is Note for note in notes))
print([(record.image_id, type(record.metadata["note"]) is Note) for record in pipeline.records])
try:
    pipeline.run(LocalExecutor({"num_workers": 1}), [FileGroupTask(data=["bad"])])
except OwnError as error:
    print("caught", error)
"""

SLEEPER = """
import sys
from nemo_curator.backends.local import LocalExecutor
from nemo_curator.pipeline import Pipeline
from tests.contract.stages import Batches, Sleeps, Sources

Pipeline("p", stages=[Sources(), Batches(), Sleeps(folder=sys.argv[1])]).run(LocalExecutor({"num_workers": 2}))
"""


def test_stages_of_a_script_without_a_guard(tmp_path):
    """Classes defined in `__main__` reach the workers and come back as themselves; the script runs once."""
    (tmp_path / "script.py").write_text(SCRIPT)
    (tmp_path / "elsewhere").mkdir()
    # modules that happen to lie in the working directory are not the standard library's
    (tmp_path / "elsewhere" / "random.py").write_text("raise SystemExit('the wrong module was imported')")
    done = subprocess.run(
        [sys.executable, "../script.py"],
        cwd=tmp_path / "elsewhere",
        capture_output=True,
        check=False,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "main runs",
        "['image-b', 'image-d'] True",
        "[('image-a', True), ('image-c', True)]",
        "caught a mistake of our own",
    ]


def until(condition, seconds=15.0):
    """Wait for a condition."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.02)


@pytest.fixture
def sleeper(tmp_path):
    """A script at work: two workers that sleep, each with a process of its own; (script, their process ids)."""
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "PYTHONPATH": path}
    script = subprocess.Popen(
        [sys.executable, "-c", SLEEPER, str(tmp_path)], env=environment, stderr=subprocess.PIPE, text=True
    )
    processes: list[int] = []
    try:
        until(lambda: len(list(tmp_path.iterdir())) == 4 or script.poll() is not None)
        processes += [int(path.name) for path in tmp_path.iterdir()]
        yield script, processes
    finally:
        script.kill()
        script.wait()
        for process in filter(alive, processes):
            os.kill(process, signal.SIGKILL)
        script.stderr.close()


def alive(process: int) -> bool:
    """Whether a process runs; one that only waits to be reaped does not."""
    try:
        return psutil.Process(process).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_ctrl_c_ends_workers_at_once(sleeper):
    """An interrupted run leaves no process behind, not even those that its stages started."""
    script, processes = sleeper
    assert [alive(process) for process in processes] == [True] * 4
    start = time.monotonic()
    script.send_signal(signal.SIGINT)
    _, stderr = script.communicate(timeout=10)
    assert time.monotonic() - start < 2
    assert stderr.rstrip().endswith("KeyboardInterrupt")
    until(lambda: not any(map(alive, processes)), 2)


def test_workers_do_not_outlive_a_killed_parent(sleeper):
    """When nobody is left to tell them, workers end by themselves, with what their stages started."""
    script, processes = sleeper
    assert [alive(process) for process in processes] == [True] * 4
    script.kill()
    script.wait()
    until(lambda: not any(map(alive, processes)), 5)


def descriptors() -> int:
    """Open descriptors of this process."""
    return len(list(Path("/proc/self/fd").iterdir()))


def opened_and_left(how: str) -> list[int]:
    """Descriptors before and after a run that ends so, and processes that are left."""

    def interrupted(*_):
        raise KeyboardInterrupt

    def execute():
        stage = {"failed": Raises(on=("*",)), "died": Dies(on=("a/1",))}.get(how, Plain())
        executor = LocalExecutor({"num_workers": 2}, on_done=interrupted if how == "interrupted" else lambda *_: None)
        try:
            executor.execute([Sources(), Batches(), stage])
        except (StageError, KeyboardInterrupt) as error:
            assert how in ("failed", "interrupted")
            # while the error is still held, as an interactive session holds it
            return descriptors(), children(), error
        return descriptors(), children(), None

    execute()
    before = descriptors()
    after, left, _ = execute()
    return [before, after, len(left)]


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc")
@pytest.mark.parametrize("how", ["finished", "failed", "died", "interrupted"])
def test_nothing_is_left_open(how):
    """However a run ends, its descriptors are closed and its workers reaped before `execute` is over."""
    before, after, left = alone(opened_and_left, how)
    assert after == before
    assert left == 0

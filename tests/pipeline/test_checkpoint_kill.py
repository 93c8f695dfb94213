"""A real process that is killed in the middle, and another that goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.pipeline.checkpoint_stages import marked
from tests.pipeline.test_checkpoint import executor_named, run, stages

from nemo_curator.errors import LockedError, StorageError

ROOT = Path(__file__).parents[2]
SCRIPT = """
import sys
from tests.pipeline.test_checkpoint import executor_named, run, stages
folder, checkpoint, name = sys.argv[1:]
run(stages(folder, 6), checkpoint, executor_named(name))
"""


@pytest.fixture
def places(tmp_path):
    """(where stages leave marks and are held, checkpoint)."""
    (tmp_path / "marks").mkdir()
    return tmp_path / "marks", tmp_path / "c"


@pytest.fixture
def start(places):
    """Starts a process that runs six partitions, and is held at one of them; none outlives the test."""
    started = []

    def start(name, held="d"):
        folder, checkpoint = places
        (folder / f"hold-{held}").touch()
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-c", SCRIPT, str(folder), str(checkpoint), name]
        process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL, start_new_session=True)
        started.append(process)
        return process

    yield start
    for process in started:
        kill(process)


def kill(process):
    """The whole group, at once, for good."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def wait_for(process, condition):
    """Until it holds; the process must live that long."""
    deadline = time.monotonic() + 120
    while not condition():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)


def done(checkpoint):
    """How many partitions are done."""
    return len(list(checkpoint.rglob("*.arrow")))


@pytest.mark.parametrize("name", ["in-process", "two-workers", "seats", "foreign"])
def test_killed_and_resumed(places, start, name):
    """After SIGKILL in the middle: only what was not done is run, and all is as if nothing had been."""
    folder, checkpoint = places
    process = start(name)
    finished = 5 if name in ("two-workers", "seats") else 3  # the other worker goes on with what follows the fourth
    wait_for(process, lambda: done(checkpoint) == finished and "d" in marked(folder))
    kill(process)
    before = marked(folder)
    (folder / "hold-d").unlink()
    result = run(stages(folder, 6), checkpoint, executor_named(name))
    again = {partition: count - before.get(partition, 0) for partition, count in marked(folder).items()}
    assert again == dict.fromkeys("abc", 0) | {"d": 1} | dict.fromkeys("ef", 0 if finished == 5 else 1)
    assert result == run(stages(folder, 6), executor=executor_named(name))


def test_killed_again_and_again(places, start):
    """Killed at every partition in turn, the last run ends, and no partition that was done was run again."""
    folder, checkpoint = places
    for number, held in enumerate("abcdef"):
        process = start("in-process", held)
        wait_for(process, lambda held=held: marked(folder).get(held))
        assert done(checkpoint) == number
        kill(process)
        (folder / f"hold-{held}").unlink()
    result = run(stages(folder, 6), checkpoint)
    assert marked(folder) == dict.fromkeys("abcdef", 2)  # once until it was killed, once to the end
    assert result == run(stages(folder, 6))


def test_a_second_process_is_refused(places, start):
    """While one process runs, another on the same directory ends with a sentence; the first one's work goes on."""
    folder, checkpoint = places
    process = start("in-process")
    wait_for(process, lambda: "d" in marked(folder))
    with pytest.raises(LockedError, match="at work here"):
        run(stages(folder, 6), checkpoint)
    assert len(marked(folder)) == 4
    (folder / "hold-d").unlink()
    assert process.wait() == 0
    assert marked(folder) == dict.fromkeys("abcdef", 1)


@pytest.mark.parametrize("step", ["os.fsync", "os.replace"])
@pytest.mark.parametrize("at", [0, 1, 2, 3])
def test_stopped_at_every_step_of_writing(tmp_path, monkeypatch, step, at):
    """Whatever file was being written when the disk went away: the next run ends as if nothing had been."""
    (tmp_path / "marks").mkdir()
    parts = stages(tmp_path / "marks")
    calls = []
    real = getattr(os, step.removeprefix("os."))

    def failing(*arguments):
        calls.append(arguments)
        if len(calls) > at:
            raise OSError(5, "gone")
        return real(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(step, failing)
        with pytest.raises(StorageError, match="device reports a failure"):
            run(parts, tmp_path / "c")
    assert run(parts, tmp_path / "c") == run(parts)
    assert not list((tmp_path / "c").rglob("*.tmp-*"))

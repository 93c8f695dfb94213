"""Two commands in one place: the second is refused, and neither spoils anything."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import time
from pathlib import Path

import pytest
from tests.cli.processes import command, imagecurator, sentence
from tests.crash.commands import restore, save
from tests.crash.place import Place


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A place with the small input."""
    return Place.make(tmp_path_factory.mktemp("two"))


def _do(place, *names):
    """Commands to their good end, in this process."""
    for name in names:
        done = imagecurator(*place.arguments(name, 0))
        assert done.returncode == 0, done.stderr


@contextlib.contextmanager
def _held(place, name, until):
    """A command that is stopped (SIGSTOP) as soon as an event of it matches; it goes on to its good end behind."""
    started = place.watched.start(*place.arguments(name, 0))
    try:
        deadline = time.monotonic() + 60
        while not any(until in event for event in place.watched.events()):
            assert started.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.001)
        started.send_signal(signal.SIGSTOP)
        while Path(f"/proc/{started.pid}/stat").read_text().rpartition(")")[2].split()[0] != "T":
            time.sleep(0.001)
        yield
    finally:
        started.send_signal(signal.SIGCONT)
        _, said = started.communicate(timeout=60)
    assert started.returncode == 0, said


CASES = {
    # what is held, what is there before, what is tried meanwhile
    "score, score": ("score", (), ("score",)),
    "run, run": ("run", (), ("run",)),
    "score, decide and export": ("score", ("score", "decide"), ("decide", "export webdataset")),
    "decide, score and export": ("decide", ("score",), ("score", "decide")),
    "export, all others": ("export webdataset", ("score", "decide"), ("score", "decide", "export webdataset")),
    "remove, remove": ("remove", ("score", "decide", "export webdataset"), ("remove",)),
}


@pytest.mark.parametrize("case", CASES)
def test_second_command_is_refused(place, tmp_path, case):
    """While one is at work, another one in the same place ends with code 4 and a sentence, and changes nothing."""
    name, before, others = CASES[case]
    restore(save(tmp_path / "nothing"), *place.folders)
    _do(place, *before, name)
    whole = place.results()
    restore(save(tmp_path / "nothing"), *place.folders)
    _do(place, *before)
    with _held(place, name, "create "):
        for other in others:
            said = sentence(imagecurator(*place.arguments(other, 0)), 4)
            assert "another imagecurator is at work here" in said
            assert any(str(folder) in said for folder in place.folders)
    assert place.results() == whole


def test_two_runs_export_to_one_place(tmp_path):
    """Two runs whose exports meet in one OUTPUT: one of them is refused, whoever comes second."""
    place = Place.make(tmp_path)
    _do(place, "score", "decide")
    export = place.arguments("export webdataset")
    assert (
        imagecurator("score", place.base / "in", tmp_path / "other", "-r", place.base / "recipe.yaml").returncode == 0
    )
    assert imagecurator("decide", tmp_path / "other").returncode == 0
    with _held(place, "export webdataset", "/out/"):
        said = sentence(imagecurator("export", tmp_path / "other", place.base / "out"), 4)
        assert str(place.base / "out") in said
        assert "another imagecurator is at work here" in said or "did not put there" in said
    whole = place.results()
    sentence(imagecurator("export", tmp_path / "other", place.base / "out"), 4)
    assert place.results() == whole
    assert imagecurator(*export).returncode == 0


def test_many_at_the_same_moment(place, tmp_path):
    """Three started at once: who is refused says so, one at least ends well, and the bytes are those of one alone."""
    restore(save(tmp_path / "nothing"), *place.folders)
    _do(place, "run")
    whole = place.results()
    restore(save(tmp_path / "nothing"), *place.folders)
    arguments = place.arguments("run", 0)
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    started = [subprocess.Popen(command(*arguments), **pipes) for _ in range(3)]
    ends = [(one.communicate(timeout=90)[1], one.returncode) for one in started]
    assert {code for _, code in ends} <= {0, 4}, ends
    assert any(code == 0 for _, code in ends)
    assert all("another imagecurator is at work here" in said for said, code in ends if code)
    assert place.results() == whole

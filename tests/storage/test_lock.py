"""One process at a time in a directory."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event, Thread

import pytest

from nemo_curator import storage
from nemo_curator.errors import LockedError, StorageError

HOLDER = """
import sys, time
from nemo_curator import storage
with storage.locked(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def holder(place: str) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds a place until its input ends."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, place], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process


def test_second_process_is_refused(tmp_path):
    """While a process holds a place nobody else gets it, and it can be had as soon as that process lets go."""
    place = str(tmp_path / "run")
    with holder(place) as process:
        assert storage.is_locked(place)
        with pytest.raises(LockedError, match="another imagecurator is at work here"), storage.locked(place):
            pytest.fail("two processes are in one place")
        process.communicate()
    assert not storage.is_locked(place)
    with storage.locked(place):
        assert storage.is_locked(place)


def test_waiting_for_a_place(tmp_path):
    """Who is ready to wait gets the place when its holder lets go, and not before."""
    place = str(tmp_path / "run")
    got = Event()

    def wait() -> None:
        with storage.locked(place, wait=True):
            got.set()

    with holder(place) as process:
        waiting = Thread(target=wait)
        waiting.start()
        with pytest.raises(LockedError), storage.locked(place):
            pytest.fail("two processes are in one place")
        assert not got.is_set()
        process.communicate()
        waiting.join()
    assert got.is_set()


def test_lock_dies_with_its_process(tmp_path):
    """A process that is killed without warning leaves no lock, and no file."""
    place = str(tmp_path / "run")
    with holder(place) as process:
        process.kill()
        process.wait()
        with storage.locked(place):
            pass
    assert list((tmp_path / "run").iterdir()) == []


def test_directory_is_made(tmp_path):
    """A place that is not there yet is made, with all above it, and stays."""
    with storage.locked(f"file://{tmp_path}/a/b"):
        assert (tmp_path / "a" / "b").is_dir()
    assert (tmp_path / "a" / "b").is_dir()


def test_lock_is_let_go_when_the_block_fails(tmp_path):
    """An error inside the block lets go of the place, and comes out as it is."""
    with pytest.raises(ValueError, match="mine"), storage.locked(str(tmp_path)):
        raise ValueError("mine")
    with storage.locked(str(tmp_path)):
        pass


def test_asking_does_not_take_the_place(tmp_path, monkeypatch):
    """Who only asks whether a place is held is seen by nobody else who asks, and is waited for by who wants it."""
    asking = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        monkeypatch.setattr("nemo_curator.storage.lock.time.sleep", lambda _: fcntl.flock(asking, fcntl.LOCK_UN))
        fcntl.flock(asking, fcntl.LOCK_SH)
        assert not storage.is_locked(str(tmp_path))
        fcntl.flock(asking, fcntl.LOCK_SH)
        with storage.locked(str(tmp_path)):
            assert storage.is_locked(str(tmp_path))
    finally:
        os.close(asking)


def test_some_hold_a_place_together(tmp_path, monkeypatch):
    """Those that hold it together let each other in and nobody alone; the first of them may tidy up before."""
    monkeypatch.setattr("nemo_curator.storage.lock.time.sleep", lambda _: None)
    place, tidied = str(tmp_path / "run"), []
    with storage.shared(place, lambda: tidied.append(1)), storage.shared(place, lambda: tidied.append(2)):
        assert tidied == [1]
        assert storage.is_locked(place)
        with pytest.raises(LockedError, match="another imagecurator"), storage.locked(place):
            pass
    assert not storage.is_locked(place)
    with storage.locked(place), pytest.raises(LockedError), storage.shared(place, lambda: tidied.append(3)):
        pass
    assert tidied == [1]


def test_one_of_many_creates_a_file(tmp_path):
    """Of threads that all create one file, one does; the others are told so, and what it wrote stays, alone."""
    url = str(tmp_path / "a/file")
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda number: storage.create(url, b"%d" % number), range(8)))
    assert sum(made) == 1
    with storage.open(url) as file:
        assert file.read() == b"%d" % made.index(True)
    assert not [path for path in tmp_path.rglob("*") if storage.is_temporary(str(path))]


OPENED = """
import os, sys
names = set()
def hook(event, arguments):
    if event == "open" and isinstance(arguments[0], str) and arguments[0].startswith(sys.argv[1] + os.sep):
        names.add(os.path.basename(arguments[0]))
sys.addaudithook(hook)
from nemo_curator import storage
storage.create(os.path.join(sys.argv[1], "file"), b"x")
print(*names)
"""


def test_a_file_that_is_created_is_told_from_others_at_any_moment(tmp_path):
    """What it is called until it has its name says what it is to become, to whoever looks, also after a kill."""
    done = subprocess.run([sys.executable, "-c", OPENED, str(tmp_path)], capture_output=True, text=True, check=True)
    names = done.stdout.split()
    assert names
    assert all(re.fullmatch(r"file(\.tmp-[0-9a-f]{12})?", name) for name in names), names


def test_remote_places_are_not_held():
    """Where there are no locks, two processes write the same whole files: nothing is held, and nothing is asked."""
    with storage.locked("memory://somewhere/run"):
        assert not storage.is_locked("memory://somewhere/run")


@pytest.mark.parametrize("code", [errno.ENOTSUP, errno.ENOLCK, errno.ENOSYS])
def test_file_systems_without_locks(tmp_path, monkeypatch, code):
    """A file system that knows no locks is used without."""

    def refuse(_descriptor, _operation):
        raise OSError(code, "no locks here")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with storage.locked(str(tmp_path)):
        assert not storage.is_locked(str(tmp_path))


def test_place_that_is_a_file(tmp_path):
    """A file where the directory should be is one sentence."""
    (tmp_path / "run").write_text("x")
    with pytest.raises(StorageError, match="run"), storage.locked(str(tmp_path / "run")):
        pytest.fail("a file is held")
    assert not storage.is_locked(str(tmp_path / "run"))
    assert not storage.is_locked(str(tmp_path / "nowhere"))

"""A storage that refuses: one sentence that names the place, nothing lost, and a clean end when the cause is gone."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from tests.cli.processes import after, command, file_limit, imagecurator, process, sentence
from tests.crash.boundaries import Boundaries
from tests.crash.commands import restore, results, save
from tests.crash.place import JOBS, Place

SAYS = {
    errno.ENOSPC: "the disk is full",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "permission is denied",
    errno.EIO: "the device reports a failure",
}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A place with the small input."""
    return Place.make(tmp_path_factory.mktemp("refused"))


@pytest.fixture(scope="module")
def ran(place, tmp_path_factory):
    """(what a whole run in that place leaves, where that is saved)."""
    restore(save(tmp_path_factory.mktemp("nothing")), *place.folders)
    _in_this_process(place, "run")
    return place.results(), save(tmp_path_factory.mktemp("ran"), *place.folders)


@pytest.fixture(scope="module")
def scored(place, tmp_path_factory):
    """What a whole scoring in that place leaves."""
    restore(save(tmp_path_factory.mktemp("nothing")), *place.folders)
    _in_this_process(place, "score")
    return place.results()


class Refusals:
    """Fails the n-th event, and all others of its file or, where the disk is full, all that follow."""

    def __init__(self, at: int, number: int) -> None:
        """None failed yet."""
        self.at, self.number = at, number
        self.events: list[str] = []
        self._counting = threading.Lock()  # an export works with two threads, and no event may pass uncounted

    def reach(self, kind: str, path: str, _tear: object) -> None:
        """An event."""
        with self._counting:
            self.events.append(f"{kind} {path}")
            number = len(self.events)
        if number == self.at and kind != "unlink":
            raise OSError(self.number, os.strerror(self.number), path)


def _refused(place: Place, name: str, at: int, number: int) -> tuple[str, list[str]]:
    """Run a command in this process, whose n-th event fails: (what it says, its events)."""
    refusals = Refusals(at, number)
    arguments = place.arguments(name, 0)
    with Boundaries([str(folder) for folder in place.folders], refusals.reach).wrapped():
        done = imagecurator(*arguments)
    event = refusals.events[at - 1] if 0 < at <= len(refusals.events) else ""
    # a folder that both threads make at the same moment is there after all
    both = event.startswith("mkdir") and refusals.events.count(event) > 1 and done.returncode == 0
    if not event or event.startswith("unlink") or both:
        assert done.returncode == 0, done.stderr
        return "", refusals.events
    return sentence(done, 4), refusals.events


def _in_this_process(place: Place, *names: str) -> None:
    """Commands to their good end."""
    for name in names:
        done = imagecurator(*place.arguments(name, 0))
        assert done.returncode == 0, done.stderr


def _refuse_some(place: Place, name: str, tmp_path: Path, step: int) -> int:
    """Fail every `step`-th event of a command, each from the same beginning; how many failed."""
    restore(save(tmp_path / "nothing"), *place.folders)
    _in_this_process(place, *JOBS[name])
    saved = save(tmp_path / "before", *place.folders)
    _, events = _refused(place, name, 0, 0)
    whole = place.results()
    numbers = list(SAYS)
    failed = 0
    for at in range(1, len(events) + 1, step):
        restore(saved, *place.folders)
        number = numbers[at % len(numbers)]
        said, _ = _refused(place, name, at, number)
        if said:
            failed += 1
            assert SAYS[number] in said
            assert any(str(folder) in said for folder in place.folders), said
            place.results()  # nothing half-written stays: this process could still clean up
        _in_this_process(place, name)
        assert place.results() == whole, events[at - 1]
    return failed


@pytest.mark.parametrize(("name", "step"), [("run", 17), ("export folder", 9), ("remove", 9)])  # each cause in turn
def test_refused_write_is_one_sentence(place, tmp_path, name, step):
    """Full, read-only, forbidden or failing at a write: a sentence and code 4, and later the same bytes."""
    assert _refuse_some(place, name, tmp_path, step) >= 3


@pytest.mark.soak
@pytest.mark.parametrize("name", JOBS)
def test_every_refused_write_is_one_sentence(place, tmp_path, name):
    """The same for every single write, fsync and rename of every command."""
    assert _refuse_some(place, name, tmp_path, 1) >= 10


@pytest.mark.parametrize("kind", ["create", "write", "fsync", "rename"])
def test_refused_write_in_a_worker(place, scored, tmp_path, kind):
    """The sentence crosses the border between processes; the same command goes on when the cause is gone."""
    restore(save(tmp_path / "nothing"), *place.folders)
    refuse = {"kind": kind, "path": "/parts/", "at": 2, "errno": errno.ENOSPC}
    said = sentence(place.watched.run(*place.arguments("score", 1), refuse=refuse), 4)
    assert "the disk is full" in said
    assert "/parts/" in said
    _in_this_process(place, "score")
    assert place.results() == scored


def _in_a_namespace(script: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a shell script that may mount; the test is skipped where this machine does not allow that."""
    tried = subprocess.run(["unshare", "-rm", "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True, check=False)
    if tried.returncode:
        pytest.skip("this user may not mount anything")
    return subprocess.run(
        ["unshare", "-rm", "sh", "-c", script, "sh", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


FULL_DISK = """\
set -e
base=$1 size=$2; shift 2
mount -t tmpfs -o size=$size none "$base/out"
set +e
"$@" >/dev/null 2>"$base/said"
echo $? >"$base/code"
ls -R "$base/out" >"$base/left"
set -e
mount -o remount,size=64m "$base/out"
"$@" >/dev/null
cp -r "$base/out" "$base/copy"
"""


@pytest.mark.parametrize(("size", "workers"), [("12k", 0), ("48k", 2), ("120k", 0)])
def test_small_disk(place, ran, tmp_path, size, workers):
    """A real disk that is too small, at three moments; when it has grown, the same command ends in the same bytes."""
    whole, _ = ran
    restore(save(tmp_path / "nothing"), *place.folders)
    (place.base / "out").mkdir()
    done = _in_a_namespace(FULL_DISK, place.base, size, *command(*place.arguments("run", workers)))
    copy = place.base / "copy"
    try:
        assert done.returncode == 0, done.stderr
        assert (place.base / "code").read_text().strip() == "4"
        said = (place.base / "said").read_text()
        assert "Traceback" not in said
        assert "the disk is full" in said.splitlines()[-1]
        assert ".tmp-" not in (place.base / "left").read_text()
        copy.rename(tmp_path / "out")
        assert results(tmp_path / "out") == whole
    finally:
        (place.base / "out").rmdir()


READ_ONLY = """\
set -e
base=$1; shift
mount --bind "$base/out" "$base/out"
mount -o remount,bind,ro "$base/out"
"$@"
"""


@pytest.mark.parametrize(("before", "name"), [((), "run"), (("score", "decide"), "export webdataset")])
def test_read_only_place(place, tmp_path, before, name):
    """A read-only file system is named; the run that the export came from is what it was, and later it all works."""
    restore(save(tmp_path / "nothing"), *place.folders)
    _in_this_process(place, *before)
    (place.base / "out").mkdir()
    scored = results(place.base / "run") if before else {}
    done = _in_a_namespace(READ_ONLY, place.base, *command(*place.arguments(name)))
    said = sentence(done, 4)
    assert str(place.base / "out") in said
    assert "the file system is read-only" in said
    assert results(place.base / "run") == scored
    _in_this_process(place, name)


# After this, what a process becomes obeys permissions like anybody else, root too.
_WITHOUT_OVERRIDE = """\
import ctypes, os
if os.geteuid() == 0:
    for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
        ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP
"""


@pytest.fixture
def obeying(tmp_path):
    """Options of a process that obeys permissions; the test is skipped where there is no way to have one."""
    (tmp_path / "closed").mkdir(mode=0o500)
    touch = [sys.executable, "-c", f"open({str(tmp_path / 'closed' / 'x')!r}, 'w')"]
    if subprocess.run(after(_WITHOUT_OVERRIDE, touch), capture_output=True, check=False).returncode == 0:
        pytest.skip("this user may write everywhere")
    return {"first": _WITHOUT_OVERRIDE}


@pytest.mark.parametrize(("closed", "workers"), [("out", 0), ("out/run", 0), ("out/run/parts", 2), ("out/train", 0)])
def test_forbidden_place(place, ran, obeying, closed, workers):
    """A folder that may not be written is named; with the permission back, the same command ends in the same bytes."""
    whole, saved = ran
    restore(saved, *place.folders)
    out = place.base / "out"
    for path in [*out.rglob("*.tar"), *(out / "run" / "parts").iterdir(), out / "manifest.json"]:
        path.unlink()  # as if it had been killed
    folder = place.base / closed
    folder.chmod(0o500)
    try:
        said = sentence(process(*place.arguments("run", workers), **obeying), 4)
    finally:
        folder.chmod(0o755)
    assert "permission is denied" in said
    assert str(folder) in said
    _in_this_process(place, "run")
    assert place.results() == whole


def test_forbidden_source(place, tmp_path, obeying):
    """Inputs that may not be read are records of what happened, not a failed run."""
    restore(save(tmp_path / "nothing"), *place.folders)
    source = place.base / "in" / "a.tar"
    source.chmod(0)
    try:
        done = process(*place.arguments("run", 1), "--json", **obeying)
    finally:
        source.chmod(0o644)
    assert done.returncode == 0, done.stderr
    assert '"unreadable"' in done.stdout


def test_limit_on_file_size(place, ran, tmp_path):
    """A limit on the size of files is named; without it, the same command ends in the same bytes."""
    whole, _ = ran
    restore(save(tmp_path / "nothing"), *place.folders)
    said = sentence(process(*place.arguments("run", 0), first=file_limit(30_000)), 4)
    assert "a limit on file size is reached" in said
    place.results()
    _in_this_process(place, "run")
    assert place.results() == whole

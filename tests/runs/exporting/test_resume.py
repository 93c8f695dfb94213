"""Exports that were interrupted: the same bytes in the end, and no shard is written twice without need."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress

import pytest
from tests.runs.exporting.made import contents, decide, deliver, manifest_of, scored, tars
from tests.runs.exporting.made_faults import KilledError, Killer

from nemo_curator import storage
from nemo_curator.errors import StorageError
from nemo_curator.runs.exporting import MANIFEST, ExportSettings, delivered, delivered_files, export, leftovers
from nemo_curator.runs.exporting.parquet import shard_facts

FORMATS = ("webdataset", "folder", "parquet", "mds")


def small(tmp_path, samples=3):
    """A decided run of a few samples in two tars."""
    made = scored(tars(tmp_path / "in", 2, samples), tmp_path / "run")
    decide(made)
    return made


def inodes(output):
    """What changes when a file is written again."""
    return {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in output.rglob("*") if path.is_file()}


# each format, and with and without a shuffle, which decides what is written and not how
@pytest.mark.parametrize(
    ("form", "shuffle"), [("webdataset", None), ("webdataset", 5), ("folder", 5), ("parquet", None)]
)
def test_killed_at_every_boundary(tmp_path, monkeypatch, form, shuffle):
    """Killed before, inside or after any write or removal, the same export again ends in the same bytes."""
    made = small(tmp_path, 2)
    settings = ExportSettings(form, 3, shuffle=shuffle)
    deliver(made, tmp_path / "whole", settings)
    wanted = contents(tmp_path / "whole")
    at, killed = 0, True
    while killed:
        output = tmp_path / f"out{at}"
        with monkeypatch.context() as patched:
            killer = Killer(patched, at)
            try:
                deliver(made, output, settings)
            except KilledError:
                assert delivered(str(output)) is None or contents(output) == wanted
            killed = killer.killed
        deliver(made, output, settings)
        assert contents(output) == wanted
        at += 1
    assert at > 8


@pytest.mark.parametrize("form", FORMATS)
def test_killed_while_another_export_is_replaced(tmp_path, monkeypatch, form):
    """No manifest ever lies while shards of other settings are replaced, and in the end nothing of them is left."""
    made = small(tmp_path, 2)
    before, after = ExportSettings(form, 2), ExportSettings(form, 3, shuffle=9)
    deliver(made, tmp_path / "whole", after)
    wanted = contents(tmp_path / "whole")
    deliver(made, tmp_path / "old", before)
    old = contents(tmp_path / "old")

    def run(output):
        exported = export(*made, str(output), after)
        for path in leftovers(contents(output), [one.name for one in exported.files]):
            storage.remove(str(output / path))
        manifest_of(output, exported)

    at, killed = 0, True
    while killed:
        output = tmp_path / f"out{at}"
        shutil.copytree(tmp_path / "old", output)
        with monkeypatch.context() as patched:
            killer = Killer(patched, at)
            try:
                run(output)
            except KilledError:
                if (output / MANIFEST).exists() and (output / MANIFEST).read_bytes() == old[MANIFEST]:
                    assert contents(output) == old
            killed = killer.killed
        run(output)
        assert contents(output) == wanted
        at += 1


@pytest.mark.parametrize("form", FORMATS)
def test_finished_shards_are_not_written_again(tmp_path, form):
    """After an interruption only what is missing is written; a second export of a whole one writes nothing."""
    made = small(tmp_path)
    output, settings = tmp_path / "out", ExportSettings(form, 2)
    told = []

    def stop(count):
        told.append(count)
        if sum(told) == 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export(*made, str(output), settings, progress=stop)
    there = inodes(output)
    assert (output / "00000.parquet") in there
    assert shard_facts(str(output / "00002.parquet")) in (None, {})  # of a folder it may list files already
    told.clear()
    exported = export(*made, str(output), settings, progress=told.append)
    assert exported.written < 3
    assert sum(told) == 6
    now = inodes(output)
    assert all(
        now[path] == there[path] for path in there if path.name.startswith("00000") or path.parent.name == "00000"
    )
    manifest_of(output, exported)
    again = export(*made, str(output), settings)
    assert (again.written, again.files, again.samples) == (0, exported.files, 6)
    assert all(inodes(output)[path] == now[path] for path in now)
    assert delivered(str(output)) is not None


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("damage", ["remove", "truncate"])
def test_a_shard_that_is_not_whole_is_written_again(tmp_path, form, damage):
    """A file of a shard that is gone or shorter means that the shard is not done."""
    made = small(tmp_path)
    settings = ExportSettings(form, 2)
    deliver(made, tmp_path / "out", settings)
    wanted = contents(tmp_path / "out")
    for name in [name for name in wanted if name.startswith("00001")]:
        path = tmp_path / "out" / name
        if damage == "remove":
            path.unlink()
        else:
            path.write_bytes(wanted[name][:-1])
        assert deliver(made, tmp_path / "out", settings).written == 1
        assert contents(tmp_path / "out") == wanted


def test_a_file_of_a_user_in_a_folder_stays(tmp_path):
    """A file that no writing of ours put into a shard's folder is left there, and the shard is done without it."""
    made = small(tmp_path)
    settings = ExportSettings("folder", 2)
    deliver(made, tmp_path / "out", settings)
    wanted = contents(tmp_path / "out")
    notes = tmp_path / "out" / "00001" / "notes.txt"
    notes.write_bytes(b"mine")
    assert deliver(made, tmp_path / "out", settings).written == 0
    (tmp_path / "out" / "00001.parquet").unlink()
    assert deliver(made, tmp_path / "out", settings).written == 1
    assert contents(tmp_path / "out") == wanted | {"00001/notes.txt": b"mine"}


def test_a_folder_of_another_plan_that_was_never_finished(tmp_path, monkeypatch):
    """Killed anywhere while folders are filled, an export of another plan leaves none of the files of the first."""
    made = small(tmp_path)
    before, after = ExportSettings("folder", 4, shuffle=1), ExportSettings("folder", 2, shuffle=2)
    deliver(made, tmp_path / "whole", after)
    wanted = contents(tmp_path / "whole")
    at, killed = 0, True
    while killed:
        output = tmp_path / f"out{at}"
        with monkeypatch.context() as patched:
            killer = Killer(patched, at)
            with suppress(KilledError):
                export(*made, str(output), before)
            killed = killer.killed
        deliver(made, output, after)
        assert contents(output) == wanted
        at += 1
    assert at > 8


def test_full_disk(tmp_path, monkeypatch):
    """A disk that fills up in the thread that writes ends the export with one sentence, and leaves no half file."""
    made = small(tmp_path)
    module = __import__("nemo_curator.shards.tar_writer", fromlist=["TarWriter"])

    def full(self, data):
        raise storage.storage_error("disk", OSError(28, "No space left on device"))

    with monkeypatch.context() as patched:
        patched.setattr(module.TarWriter, "_write", full)
        with pytest.raises(StorageError, match="disk is full"):
            export(*made, str(tmp_path / "out"), ExportSettings(shard_size=2))
    assert contents(tmp_path / "out") == {}
    assert deliver(made, tmp_path / "out", ExportSettings(shard_size=2)).written == 3


def test_delivered_files_are_those_that_are_there(tmp_path):
    """The names of a data set's files, in each format, are its files without the manifest."""
    made = small(tmp_path)
    for form in FORMATS:
        deliver(made, tmp_path / form, ExportSettings(form, 2))
        assert sorted([*delivered_files(str(tmp_path / form)), MANIFEST]) == sorted(contents(tmp_path / form))


PROGRAM = """
import sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from tests.runs.exporting.made import deliver
from nemo_curator.runs.exporting import ExportSettings
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.partitions import read_partitions
run = RunDirectory(sys.argv[2])
print("begin", flush=True)
deliver((run, read_partitions(run)), Path(sys.argv[3]), ExportSettings(sys.argv[4], 3, shuffle=4))
"""


@pytest.mark.parametrize("form", FORMATS)
def test_killed_for_real(tmp_path, form):
    """SIGKILL at some moments of a real process; what is left is continued to the same bytes."""
    made = scored(tars(tmp_path / "in", 4, 10), tmp_path / "run")
    decide(made)
    settings = ExportSettings(form, 3, shuffle=4)
    deliver(made, tmp_path / "whole", settings)
    wanted = contents(tmp_path / "whole")
    output = tmp_path / "out"
    for moment in (0.0, 0.03):
        command = [sys.executable, "-c", PROGRAM, os.getcwd(), made[0].root, str(output), form]  # noqa: PTH109 (text)
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout.readline() == b"begin\n"
            time.sleep(moment)
            process.send_signal(signal.SIGKILL)
    deliver(made, output, settings)
    swept = {name: data for name, data in contents(output).items() if not storage.is_temporary(name)}
    assert swept == wanted

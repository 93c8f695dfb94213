"""Ctrl-C, a polite kill, and a full disk, in the middle of a real run."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.cli.processes import CHEAP, command, file_limit, imagecurator, live_children, process, sentence, tree

from nemo_curator.storage import is_temporary
from nemo_curator.testing import encoded, make_tar, photo

RECIPE = (
    "scores: [header, sharpness, entropy]\nrules: {small: 'least(width, height) < 64'}\nexport: {shard_size: 100}\n"
)


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    """Twelve shards of twenty-four pictures that take a while, and the recipe."""
    folder = tmp_path_factory.mktemp("stopped")
    files = [encoded(photo(number, 700, 500), quality=80) for number in range(8)]
    for shard in range(12):
        members = [(f"{shard:02d}{number:03d}.jpg", files[number % 8] + bytes([shard, number])) for number in range(24)]
        make_tar(folder / "in" / f"{shard:02d}.tar", members)
    (folder / "recipe.yaml").write_text(RECIPE)
    return folder


@pytest.fixture(scope="module")
def whole(shards):
    """What an uninterrupted run writes."""
    done = imagecurator("run", shards / "in", shards / "whole", "-r", shards / "recipe.yaml")
    assert done.returncode == 0, done.stderr
    return _results(shards / "whole")


def _results(output: Path) -> dict[str, bytes | None]:
    """What must be the same bytes however often the run was stopped."""
    return {
        name: data
        for name, data in tree(output).items()
        if name not in {"run/run.json", "run/report.html", "run/partitions.parquet"}
    }


def _until(condition, seconds: float = 40.0) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.01)


def _parts(output: Path) -> int:
    """How many parts are done."""
    folder = output / "run" / "parts"
    return sum(name.endswith(".parquet") for name in os.listdir(folder)) if folder.is_dir() else 0  # noqa: PTH208


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
def test_stopped_run_ends_at_once_and_goes_on_later(shards, whole, tmp_path, kind):
    """It ends within two seconds with code 130, leaves no worker and no half file, and the same command finishes."""
    output = tmp_path / "out"
    arguments = ("run", shards / "in", output, "-r", shards / "recipe.yaml", "-w", "2")
    with subprocess.Popen(
        command(*arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as running:
        _until(lambda: _parts(output) >= 2)
        workers = live_children(running.pid)
        running.send_signal(kind)
        start = time.monotonic()
        _, said = running.communicate(timeout=20)
        took = time.monotonic() - start
    assert took < 2.0
    assert running.returncode == 130, said
    assert "Traceback" not in said
    told = re.match(r"imagecurator: interrupted: (\d+) of 12 partitions w", said.rstrip().splitlines()[-1])
    assert told, said
    assert int(told[1]) <= _parts(output)  # what was written a moment before it may not have heard of
    assert len(workers) >= 2
    _until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers), 2.0)
    left = [name for name in tree(output) if not is_temporary(name)]
    assert 2 <= _parts(output) < 12
    assert "manifest.json" not in left
    for name in left:
        if name.startswith("run/parts/"):
            assert tree(output)[name] == whole[name]
    if kind == signal.SIGINT:
        done = imagecurator(*arguments[:-2])
        assert done.returncode == 0, done.stderr
        assert _results(output) == whole


def test_killed_run_leaves_no_workers_and_goes_on(shards, whole, tmp_path):
    """After SIGKILL, which nobody can answer, workers end by themselves and the same command finishes the work."""
    output = tmp_path / "out"
    arguments = ("run", shards / "in", output, "-r", shards / "recipe.yaml", "-w", "2")
    with subprocess.Popen(
        command(*arguments), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    ) as running:
        _until(lambda: _parts(output) >= 1)
        workers = live_children(running.pid)
        running.kill()
        running.wait()
    _until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers), 5.0)
    (output / "run" / "parts" / "0000000000000000.parquet.tmp-0123456789ab").write_bytes(b"half of a part")
    done = imagecurator(*arguments[:-2])
    assert done.returncode == 0, done.stderr
    assert _results(output) == whole


def test_stopped_before_anything_is_written(shards, tmp_path):
    """Ctrl-C while Python still starts ends the command, whatever it was doing, without a data set."""
    output = tmp_path / "out"
    with subprocess.Popen(
        command("run", shards / "in", output, "-r", shards / "recipe.yaml"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as running:
        time.sleep(0.4)
        running.send_signal(signal.SIGINT)
        assert running.wait(timeout=10) != 0
    assert not (output / "manifest.json").exists()


@contextmanager
def _small_disk(place: Path, size: str):
    """A file system of that size at a place."""
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", place], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("this user may not mount a small disk")
    try:
        yield place
    finally:
        subprocess.run(["umount", place], check=True)


@pytest.mark.parametrize("size", ["16k", "600k"])
def test_disk_full(shards, tmp_path, size):
    """A full disk, while scoring or while exporting, is one sentence and code 4; no file that is there is half."""
    with _small_disk(tmp_path / "disk", size) as disk:
        said = sentence(process("run", shards / "in", disk / "out", "-r", shards / "recipe.yaml", "-w", "2"), 4)
        assert "the disk is full" in said
        assert "run the same command again" in said
        left = tree(disk / "out")
        assert "manifest.json" not in left
        assert not [name for name in left if name.endswith(".tar") and len(left[name]) % 10_240]


def test_limit_on_file_size(shards, tmp_path):
    """A limit on file size while a shard is written is one sentence and code 4; no shard is there."""
    arguments = ("run", shards / "in", tmp_path / "out", "-r", shards / "recipe.yaml", "-w", "1")
    said = sentence(process(*arguments, first=file_limit(200_000)), 4)
    assert "a limit on file size is reached" in said
    left = tree(tmp_path / "out")
    assert not [name for name in left if name.endswith(".tar") or is_temporary(name)]


def test_leftovers_of_another_export_are_removed(shards, tmp_path):
    """Shards of an interrupted export with smaller shards do not stay beside those of the one that finished."""
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(CHEAP)
    arguments = ("run", shards / "in" / "00.tar", tmp_path / "out", "-r", recipe)
    assert imagecurator(*arguments, "-s", "export.shard_size=10").returncode == 0
    assert len(list((tmp_path / "out").glob("0*.tar"))) == 3
    (tmp_path / "out" / "manifest.json").unlink()  # as if it had been killed just before
    assert imagecurator(*arguments).returncode == 0
    assert sorted(path.name for path in (tmp_path / "out").glob("0*")) == ["00000.parquet", "00000.tar"]

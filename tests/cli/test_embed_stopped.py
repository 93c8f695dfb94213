"""A kill and Ctrl-C in the middle of a real `imagecurator embed`."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from tests.cli.processes import command, imagecurator, live_children, tree

from nemo_curator.storage import is_temporary
from nemo_curator.testing import encoded, make_tar, photo

MAY_DIFFER = {"run/run.json", "run/partitions.parquet"}


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    """Ten shards of twenty pictures."""
    folder = tmp_path_factory.mktemp("stopped")
    files = [encoded(photo(number, 500, 400), quality=80) for number in range(5)]
    for shard in range(10):
        members = [(f"{shard:02d}{number:03d}.jpg", files[number % 5] + bytes([shard, number])) for number in range(20)]
        make_tar(folder / "in" / f"{shard:02d}.tar", members)
    return folder


@pytest.fixture(scope="module")
def whole(shards):
    """What an uninterrupted command writes, without workers."""
    done = imagecurator(*_command(shards, shards / "whole"))
    assert done.returncode == 0, done.stderr
    return _results(shards / "whole")


def _command(shards, output):
    """The command."""
    return ("embed", shards / "in", output, "--format", "parquet", "--format", "npy", "--rows-per-file", "70")


def _results(output):
    """What must be the same bytes however often the command was stopped."""
    return {name: data for name, data in tree(output).items() if name not in MAY_DIFFER}


def _until(condition, seconds=60.0):
    """Wait for a condition."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.005)


def _parts(output):
    """How many parts are done."""
    folder = output / "run" / "parts"
    return sum(name.endswith(".parquet") for name in os.listdir(folder)) if folder.is_dir() else 0  # noqa: PTH208


@pytest.mark.parametrize("kind", [signal.SIGKILL, signal.SIGINT])
def test_stopped_embedding_goes_on(shards, whole, tmp_path, kind):
    """Stopped in the middle, it leaves no file of the result, and the same command makes the very same bytes."""
    output = tmp_path / "out"
    arguments = (*_command(shards, output), "-w", "2")
    with subprocess.Popen(
        command(*arguments), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as running:
        _until(lambda: _parts(output) >= 2)
        workers = live_children(running.pid)
        running.send_signal(kind)
        _, said = running.communicate(timeout=30)
    assert running.returncode == (130 if kind == signal.SIGINT else -kind), said
    assert "Traceback" not in said
    _until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers), 10.0)
    assert [name for name in tree(output) if not (name.startswith("run/") or is_temporary(name))] == []
    (output / "run" / "parts" / "0000000000000000.parquet.tmp-0123456789ab").write_bytes(b"half of a part")
    (output / "embeddings-00000-of-00003.npy.tmp-0123456789ab").write_bytes(b"half of a matrix")
    done = imagecurator(*_command(shards, output))
    assert done.returncode == 0, done.stderr
    assert _results(output) == whole

"""Files of gigabytes are not read into memory: of a shard one sample at a time, of a file that is too long nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from tests.shards.builders import JPEG

GIB = 1 << 30
HOLE = 48_000_000
READ = """
import json, resource, sys
from nemo_curator.shards.reading import read_partition
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
codes, told = {}, []
for sample in read_partition([sys.argv[1]], {}, about_to_read=told.append):
    codes[sample.error] = codes.get(sample.error, 0) + 1
grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
print(json.dumps({"codes": codes, "told": max(told, default=0), "grown": grown}))
"""

linux = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="peak memory is counted in other units elsewhere"
)


def read(path: Path) -> dict:
    """How the samples of a file ended, the most that was announced to be read, and how far memory grew by it."""
    done = subprocess.run([sys.executable, "-c", READ, str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict = json.loads(done.stdout)
    return found


def sparse(path: Path, size: int) -> Path:
    """A tar whose members are a picture and a hole each: 90 too long to be read, and 12 that are read."""
    with path.open("wb") as file:
        for number in range(102):
            header = tarfile.TarInfo(f"{number:03d}.jpg")
            header.size = size // 90 if number >= 12 else HOLE
            file.write(header.tobuf(tarfile.USTAR_FORMAT))
            start = file.tell()
            file.write(JPEG)
            file.seek(start + -(-header.size // 512) * 512)
        file.write(bytes(1024))
    return path


@linux
def test_a_shard_of_5_gigabytes(tmp_path):
    """One sample is in memory at a time, and one that is over the limit never."""
    path = sparse(tmp_path / "0.tar", 7 * GIB)
    assert path.stat().st_size > 5_000_000_000
    assert path.stat().st_blocks * 512 < 10_000_000
    found = read(path)
    assert found["codes"] == {"": 12, "over_limit": 90}
    assert found["told"] == HOLE
    assert found["grown"] < 4 * HOLE


@linux
@pytest.mark.parametrize("name", ["long.jpg", "long.tiff"])
def test_a_loose_file_of_5_gigabytes(tmp_path, name):
    """Its length is looked at, and nothing of it is read but its first bytes."""
    path = tmp_path / name
    path.write_bytes(JPEG)
    os.truncate(path, 5_000_000_000)
    found = read(path)
    assert found["codes"] == {"over_limit": 1}
    assert (found["told"], found["grown"] < 20_000_000) == (0, True)


def test_what_will_be_read_is_announced_before(tmp_path):
    """Of a loose image with sidecars in steps, of a sample in a tar at once."""
    from nemo_curator.shards.entry import entry_at
    from nemo_curator.shards.folder_reader import read_loose
    from nemo_curator.shards.tar_reader import read_tar
    from nemo_curator.testing import make_tar

    told: list[int] = []
    (tmp_path / "a.jpg").write_bytes(JPEG)
    (tmp_path / "a.txt").write_bytes(bytes(100))
    entry = entry_at(str(tmp_path / "a.jpg"), root=str(tmp_path), sidecars=("a.txt",))
    assert [one.error for one in read_loose([entry], about_to_read=told.append)] == [""]
    assert told == [len(JPEG), len(JPEG) + 100]
    told.clear()
    make_tar(tmp_path / "0.tar", [("a.jpg", JPEG), ("b.jpg", JPEG), ("a.txt", bytes(100)), ("b.jpg", bytes(7))])
    assert len(list(read_tar(str(tmp_path / "0.tar"), about_to_read=told.append))) == 3
    assert told == [len(JPEG) + 100, len(JPEG), 7]

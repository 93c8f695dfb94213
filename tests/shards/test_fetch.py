from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

import pytest
from fsspec.implementations.memory import MemoryFileSystem
from tests.shards.builders import JPEG, PNG, open_files, tar_bytes, three_samples, write

from nemo_curator import storage
from nemo_curator.errors import InputError
from nemo_curator.kernels.source import Member
from nemo_curator.shards import fetch
from nemo_curator.shards.entry import entry_at
from nemo_curator.shards.fetch import MemberReader, read_members
from nemo_curator.shards.folder_reader import read_loose
from nemo_curator.shards.tar_reader import read_tar

CONTENTS = [data for _, data in three_samples()]


@pytest.mark.parametrize("name", ["0.tar", "0.tar.gz"])
def test_members_come_back_as_they_were(tmp_path, name):
    """All members of a shard, through one opening, in the order asked for."""
    data = tar_bytes(three_samples())
    path = write(tmp_path / name, gzip.compress(data) if name.endswith("gz") else data)
    samples = list(read_tar(path))
    members = [member for sample in samples for member in sample.source.members]
    assert list(read_members(path, members)) == CONTENTS
    assert list(read_members(path, members[::-1])) == CONTENTS[::-1]
    assert list(read_members(path, [])) == []


def test_a_remote_shard_is_read_by_ranges(monkeypatch):
    """Members that lie together are one request, and the shard is not downloaded."""
    with storage.write_atomic("memory://set/0.tar") as file:
        file.write(tar_bytes(three_samples()))
    members = [member for sample in read_tar("memory://set/0.tar") for member in sample.source.members]
    asked = []
    read_range = storage.read_range
    monkeypatch.setattr(storage, "read_range", lambda *place: asked.append(place) or read_range(*place))
    assert list(read_members("memory://set/0.tar", members)) == CONTENTS
    assert len(asked) == 2
    monkeypatch.setattr(fetch, "_RUN", 600)
    assert list(read_members("memory://set/0.tar", members)) == CONTENTS
    MemoryFileSystem.store.clear()


def test_loose_files_come_back(tmp_path):
    """The image and its sidecars, each from its own file."""
    path = write(tmp_path / "d/a\udcff.jpg", JPEG)
    write(tmp_path / "d/a\udcff.txt", b"caption")
    (sample,) = read_loose([entry_at(path, root=str(tmp_path), sidecars=("d/a\\xff.txt",))])
    assert sample.source.members[0].name == "d/a\\xff.jpg"
    assert list(read_members(path, sample.source.members)) == [JPEG, b"caption"]


def test_a_reader_keeps_the_last_shard_open(tmp_path):
    """Sample by sample from two shards and a loose file, a compressed shard is unpacked once."""
    paths = [write(tmp_path / f"{n}.tar.gz", gzip.compress(tar_bytes(three_samples()))) for n in range(2)]
    loose = write(tmp_path / "x.png", PNG)
    before = open_files()
    with MemberReader() as reader:
        for path in paths:
            for sample in list(read_tar(path)):
                assert next(reader.read(path, sample.source.members)) == sample.image
            Path(path).write_bytes(b"nobody reads this again")
        (sample,) = read_loose([entry_at(loose)])
        assert list(reader.read(loose, sample.source.members)) == [PNG]
    assert open_files() == before


def test_changed_bytes_are_refused(tmp_path):
    """What leaves is what was scored, or the export says which file is not."""
    data = bytearray(tar_bytes(three_samples()))
    path = write(tmp_path / "0.tar", bytes(data))
    members = next(read_tar(path)).source.members
    data[members[1].offset] ^= 1
    write(tmp_path / "0.tar", bytes(data))
    with pytest.raises(InputError, match=r"0\.tar#0000\.txt: its bytes are not the ones"):
        list(read_members(path, members))
    write(tmp_path / "0.tar", bytes(data[:600]))
    with pytest.raises(InputError, match=r"0000\.jpg"):
        list(read_members(path, members))


@pytest.mark.parametrize("content", [JPEG + b"grown", JPEG[:-1], JPEG[:-1] + b"?"], ids=["grown", "cut", "changed"])
def test_changed_loose_files_are_refused(tmp_path, content):
    """The same for loose files."""
    path = write(tmp_path / "a.jpg", JPEG)
    members = next(read_loose([entry_at(path)])).source.members
    write(tmp_path / "a.jpg", content)
    with pytest.raises(InputError, match="has changed since"):
        list(read_members(path, members))


def test_files_that_are_gone(tmp_path):
    """One sentence that names the file."""
    tar, loose = write(tmp_path / "0.tar", tar_bytes(three_samples())), write(tmp_path / "a.jpg", JPEG)
    for path, sample in ((tar, next(read_tar(tar))), (loose, next(read_loose([entry_at(loose)])))):
        Path(path).unlink()
        with pytest.raises(InputError, match="cannot be read any more"):
            list(read_members(path, sample.source.members))


def test_a_reader_keeps_some_plain_shards_open(tmp_path, monkeypatch):
    """Samples of shards in turn: plain ones stay open up to a limit, and of compressed ones the last."""
    monkeypatch.setattr(fetch, "_OPEN", 2)
    tar = tar_bytes(three_samples())
    plain = [write(tmp_path / f"{number}.tar", tar) for number in range(3)]
    packed = [write(tmp_path / f"{number}.tar.gz", gzip.compress(tar)) for number in range(2)]
    members = next(read_tar(plain[0])).source.members
    before = open_files()
    with MemberReader() as reader:
        for place in [*plain, *plain, packed[0], packed[1], plain[0], packed[0]]:
            assert list(reader.read(place, members)) == CONTENTS[:3]
            assert open_files() - before <= 3  # what is unpacked is two
    assert open_files() == before


def test_what_the_caller_unpacked_is_read_from_there():
    """A location that the caller has unpacked is not opened; its bytes are checked like any other."""
    data = b"?" + b"".join(CONTENTS[:2])
    digests = [hashlib.sha256(one).hexdigest() for one in CONTENTS[:2]]
    members = [
        Member("a.jpg", "jpg", 1, len(CONTENTS[0]), digests[0]),
        Member("a.txt", "txt", 1 + len(CONTENTS[0]), len(CONTENTS[1]), digests[1]),
    ]
    with MemberReader({"nowhere.tar.gz": lambda offset, length: data[offset : offset + length]}) as reader:
        assert list(reader.read("nowhere.tar.gz", members)) == CONTENTS[:2]
        with pytest.raises(InputError, match="not the ones"):
            list(reader.read("nowhere.tar.gz", [members[1], Member("b", "", 5, 3, digests[0])]))

from __future__ import annotations

import os
import tarfile
import tracemalloc
from pathlib import Path

import pytest
from tests.shards.builders import JPEG, info, tar_bytes, write

from nemo_curator.shards import tar_index, tar_reader
from nemo_curator.shards.entry import entry_at
from nemo_curator.shards.folder_reader import read_loose
from nemo_curator.shards.limits import MAX_MEMBERS, MAX_NAME, MAX_NAMES, MAX_SAMPLE_FILES
from nemo_curator.shards.sample import Sample
from nemo_curator.shards.tar_index import index_tar
from nemo_curator.shards.tar_reader import read_tar


def limited(monkeypatch, folder: Path, data: bytes, **limits: int) -> list[Sample]:
    """The samples of a shard where less is allowed."""
    monkeypatch.setattr(tar_reader, "index_tar", lambda descriptor: index_tar(descriptor, **limits))
    return list(read_tar(write(folder / "0.tar", data)))


def test_a_shard_of_too_many_members(monkeypatch, tmp_path):
    """What lies beyond is one record that says what to do, and the samples before it count."""
    data = tar_bytes([(f"{number}.jpg", JPEG) for number in range(5)])
    assert [sample.error for sample in limited(monkeypatch, tmp_path, data, most=5)] == [""] * 5
    *good, last = limited(monkeypatch, tmp_path, data, most=3)
    assert [(sample.image_id, sample.error) for sample in good] == [("0/0", ""), ("0/1", ""), ("0/2", "")]
    assert (last.image_id, last.error) == ("0.tar", "damaged_shard")
    end = good[-1].source.members[0].offset + len(JPEG)
    assert last.detail == (
        f"read to byte {end} of the tar, 3 members: it has more than 3 members, the limit for one shard; split it"
    )


def test_a_sample_that_goes_on_beyond_the_limit(monkeypatch, tmp_path):
    """It does not pass for whole without its caption."""
    data = tar_bytes([("a.jpg", JPEG), ("b.jpg", JPEG), ("b.txt", b"caption")])
    samples = limited(monkeypatch, tmp_path, data, most=2)
    assert [sample.error for sample in samples] == ["", "incomplete", "damaged_shard"]
    assert samples[1].detail.startswith("the shard is read in part: it has more than 2 members")


def test_a_shard_of_too_long_names(monkeypatch, tmp_path):
    """Names and link targets are held for all members at once, so they are bounded together."""
    members = [(f"{'n' * 50}{number}.jpg", JPEG) for number in range(4)]
    links = [(info(f"{number}", kind=tarfile.SYMTYPE, link="t" * 90), b"") for number in range(4)]
    for data in (tar_bytes(members), tar_bytes(links)):
        *before, last = limited(monkeypatch, tmp_path, data, most_names=100)
        assert len(before) == 2
        assert "more than 100 bytes of names, the limit for one shard; split it" in last.detail


def test_a_name_of_a_million_characters(tmp_path):
    """It is a record under what of it fits, and the members beside it are samples."""
    names = ["a" * 1_000_000 + ".jpg", "a" * MAX_NAME, "b.jpg"]
    samples = list(read_tar(write(tmp_path / "0.tar", tar_bytes([(name, JPEG) for name in names]))))
    assert [sample.error for sample in samples] == ["", "unsupported_member", ""]
    assert samples[1].image_id == samples[0].image_id + "#2"
    assert samples[1].detail.endswith(" is a member with a name of more than 65535 characters")


def test_a_sample_of_too_many_files(monkeypatch, tmp_path):
    """It is one record with the figure and the limit, however many names there are twice; links are their own."""
    monkeypatch.setattr(tar_index, "MAX_SAMPLE_FILES", 4)
    monkeypatch.setattr("nemo_curator.shards.limits.MAX_SAMPLE_FILES", 4)
    members = [("k.jpg", JPEG), *((f"k.{number % 5}", b"") for number in range(9)), ("l.jpg", JPEG)]
    members.insert(3, (info("k.link", kind=tarfile.SYMTYPE, link="x"), b""))
    samples = list(read_tar(write(tmp_path / "0.tar", tar_bytes(members))))
    assert [sample.error for sample in samples] == [
        "over_limit",
        *["unsupported_member"],
        *["duplicate_member"] * 3,
        "",
    ]
    assert samples[0].detail == "it has 7 files; the limit for one sample is 4"
    assert len(samples[0].source.members) == 4


def test_a_loose_image_of_too_many_sidecars(monkeypatch, tmp_path):
    """The same limit, and none of them is opened."""
    monkeypatch.setattr("nemo_curator.shards.limits.MAX_SAMPLE_FILES", 4)
    path = write(tmp_path / "k.jpg", JPEG)
    sidecars = tuple(f"k.{number}" for number in range(4))
    (sample,) = read_loose([entry_at(path, root=str(tmp_path), sidecars=sidecars)])
    assert (sample.error, sample.detail) == ("over_limit", "it has 5 files; the limit for one sample is 4")


@pytest.mark.parametrize("per_key", [1, 3, 20_000])
def test_the_index_is_small(tmp_path, per_key):
    """A member costs its name and some tens of bytes, whether each is a sample of its own or all are one."""
    path = tmp_path / "0.tar"
    with path.open("wb") as file:
        for number in range(20_000):
            file.write(info(f"{number // per_key:08}.{number}").tobuf(tarfile.USTAR_FORMAT))
        file.write(bytes(1024))
    with path.open("rb") as file:
        tracemalloc.start()
        index = index_tar(file.fileno())
        held, peak = tracemalloc.get_traced_memory()
        groups = sum(1 for _ in index.groups())
        tracemalloc.stop()
    assert groups == -(-20_000 // per_key)
    assert (index.members, index.damage) == (20_000, None)
    assert held < 100 * 20_000
    assert peak < 250 * 20_000


def test_the_limits_hold_a_large_shard():
    """A million members of usual names are allowed, and at both limits an index takes less than half a gigabyte."""
    assert MAX_MEMBERS >= 1_000_000 <= MAX_NAMES // 100
    assert 44 * MAX_MEMBERS + MAX_NAMES < 500_000_000
    assert MAX_SAMPLE_FILES >= 1000


@pytest.mark.soak
def test_a_shard_beyond_the_real_limit(tmp_path):
    """Two million members are read, the next is not; the reader never holds all of them as objects."""
    path = tmp_path / "0.tar"
    header = info("0" * 9).tobuf(tarfile.USTAR_FORMAT)
    with path.open("wb") as file:
        for number in range(MAX_MEMBERS + 10):
            name = b"%09d" % number
            total = int(header[148:154], 8) - 9 * ord("0") + sum(name)
            file.write(name + header[9:148] + b"%06o\0 " % total + header[156:])
        file.write(bytes(1024))
    tracemalloc.start()
    descriptor = os.open(path, os.O_RDONLY)
    index = index_tar(descriptor)
    os.close(descriptor)
    assert (index.members, index.excess) == (MAX_MEMBERS, True)
    assert sum(1 for _ in index.groups()) == MAX_MEMBERS
    assert tracemalloc.get_traced_memory()[1] < 500_000_000
    tracemalloc.stop()

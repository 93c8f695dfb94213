"""How many bytes of a shard one of its samples takes."""

from __future__ import annotations

import gzip

import pytest

from nemo_curator.shards import sample_size
from nemo_curator.shards.sample_size import sample_bytes
from nemo_curator.testing import make_tar


def shard(path, count, size):
    """A tar of so many samples, each a file of so many bytes and a caption."""
    files = (("jpg", b"\xff" * size), ("txt", b"a caption"))
    make_tar(path, [(f"{index:04}.{name}", content) for index in range(count) for name, content in files])
    return str(path)


def test_the_samples_are_counted(tmp_path):
    """A sample takes its files, their headers and their padding; several shards give the average."""
    one, two = shard(tmp_path / "one.tar", 50, 3_000), shard(tmp_path / "two.tar", 50, 1_000)
    assert sample_bytes([one]) == pytest.approx(3_072 + 512 + 1_024, rel=0.02)
    assert sample_bytes([one, two]) == pytest.approx((3_072 + 1_024) / 2 + 512 + 1_024, rel=0.02)


def test_only_the_beginning_is_read(tmp_path, monkeypatch):
    """What is cut off where the look ends does not count."""
    monkeypatch.setattr(sample_size, "_LOOK", 50_000)
    path = shard(tmp_path / "one.tar", 500, 3_000)
    assert sample_bytes([path]) == pytest.approx(3_072 + 512 + 1_024, rel=0.1)


def test_a_compressed_shard_is_counted_too(tmp_path):
    """By what it holds uncompressed, and never more of it than is looked at."""
    path = shard(tmp_path / "one.tar", 50, 3_000)
    (tmp_path / "one.tar.gz").write_bytes(gzip.compress((tmp_path / "one.tar").read_bytes()))
    assert sample_bytes([str(tmp_path / "one.tar.gz")]) == sample_bytes([path])


@pytest.mark.parametrize("content", [b"", b"no tar", b"\x1f\x8b no gzip"])
def test_what_cannot_be_read_says_nothing(tmp_path, content):
    """A damaged shard, one that is not there, and none at all are no error here."""
    (tmp_path / "odd.tar").write_bytes(content)
    assert sample_bytes([str(tmp_path / "odd.tar"), str(tmp_path / "gone.tar")]) is None
    assert sample_bytes([]) is None

"""Compressed shards that are cut, joined with what they should not be, or bombs."""

from __future__ import annotations

import gzip
import os
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from tests.shards.builders import JPEG, info, tar_bytes, three_samples, write

from nemo_curator.shards import spool
from nemo_curator.shards.sample import Sample
from nemo_curator.shards.spool import EXPANSION_FLOOR, open_shard
from nemo_curator.shards.tar_reader import read_tar

Pack = Callable[[bytes], bytes]


def zstd_frames(data: bytes) -> bytes:
    """Zstandard frames of a kilobyte each: one frame of little data comes whole or not at all."""
    return b"".join(zstandard.compress(data[at : at + 1000]) for at in range(0, len(data), 1000))


PACKERS = pytest.mark.parametrize("pack", [gzip.compress, zstd_frames], ids=["gzip", "zstd"])
_RLE = ((128 << 10) << 3 | 1 << 1).to_bytes(3, "little") + b"\0"  # 128 KiB of zeros in four bytes


def read(folder: Path, data: bytes) -> list[Sample]:
    """The samples of a compressed shard of `data`."""
    return list(read_tar(write(folder / "0.tar.gz", data)))


def endless_zstd(begin: bytes, blocks: int) -> bytes:
    """A Zstandard stream of `begin` and so many blocks of 128 KiB of zeros, which take four bytes each."""
    return zstandard.compress(begin) + b"\x28\xb5\x2f\xfd\x00\x58" + _RLE * blocks


def endless_gzip(begin: bytes, megabytes: int) -> bytes:
    """A gzip stream of `begin` and so many MiB of zeros."""
    engine = zlib.compressobj(9, wbits=31)
    zeros = bytes(1 << 20)
    return b"".join([engine.compress(begin), *(engine.compress(zeros) for _ in range(megabytes)), engine.flush()])


@PACKERS
def test_cut_at_every_byte(tmp_path, pack):
    """Wherever a stream ends, its samples are the first ones of the whole, and what is missing is said once."""
    packed = pack(tar_bytes(three_samples()))
    whole = [(sample.image_id, sample.image) for sample in read(tmp_path, packed)]
    most = 0  # it may be fewer again: a sample shows that it is cut only where one of its members is
    for length in range(len(packed)):
        samples = read(tmp_path, packed[:length])
        good = [(sample.image_id, sample.image) for sample in samples if not sample.error]
        assert good == whole[: len(good)]
        bad = [sample.error for sample in samples if sample.error]
        # a cut behind the tar's own end may lose nothing but the stream's checksum
        assert bad in (["damaged_shard"], ["incomplete", "damaged_shard"]) or (pack is zstd_frames and not bad)
        most = max(most, len(good))
    assert most == len(whole)


@PACKERS
@pytest.mark.parametrize("behind", [b"garbage", b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"\xff" * 100_000])
def test_followed_by_something_else(tmp_path, pack, behind):
    """Every sample counts, and what stands behind the stream is said."""
    samples = read(tmp_path, pack(tar_bytes(three_samples())) + behind)
    errors = [sample.error for sample in samples]
    assert errors[:3] == ["", "", ""]
    assert errors[3:] == ["damaged_shard"] or (pack is zstd_frames and behind == b"\x28\xb5\x2f\xfd")


def test_frames_to_pass_over(tmp_path):
    """`pzstd` puts a frame of its own before each frame of data."""
    frame = b"\x50\x2a\x4d\x18" + b"\4\0\0\0size"
    data = tar_bytes(three_samples())
    packed = b"".join(frame + zstandard.compress(data[at : at + 3000]) for at in range(0, len(data), 3000))
    assert [sample.error for sample in read(tmp_path, packed)] == ["", "", ""]


@pytest.mark.parametrize("make", [endless_gzip, endless_zstd], ids=["gzip", "zstd"])
@pytest.mark.parametrize("size", [0, 1 << 40], ids=["zeros", "a member of a terabyte"])
def test_a_bomb_takes_no_more_room_than_its_bound(tmp_path, monkeypatch, make, size):
    """What stood before the bomb counts, the bomb is one record, and the temporary file ends at the bound."""
    bound = 4_000_000
    monkeypatch.setattr(spool, "EXPANSION_FLOOR", bound)
    monkeypatch.setattr(spool, "EXPANSION_LIMIT", 1)
    begin = tar_bytes([("k.jpg", JPEG)])[:1024] + (info("b.jpg", size).tobuf(tarfile.GNU_FORMAT) if size else b"")
    packed = make(begin, 200)  # of MiB, or of 128 KiB
    with open_shard(write(tmp_path / "0.tar.gz", packed)) as shard:
        assert os.fstat(shard.descriptor).st_size <= max(bound, len(packed))
    samples = read(tmp_path, packed)
    assert [(sample.image_id, sample.error) for sample in samples] == [("0/k", ""), ("0.tar.gz", "damaged_shard")]
    assert "the limit for a shard of its size" in samples[1].detail


@pytest.mark.soak
def test_a_bomb_of_a_terabyte(tmp_path):
    """Thirty megabytes that would be a terabyte end at a gigabyte or a hundred times their size."""
    packed = endless_zstd(tar_bytes([("k.jpg", JPEG)])[:1024], 8_400_000)
    with open_shard(write(tmp_path / "0.tar.zst", packed)) as shard:
        assert os.fstat(shard.descriptor).st_size <= max(EXPANSION_FLOOR, 100 * len(packed))
    assert [sample.error for sample in read(tmp_path, packed)] == ["", "damaged_shard"]

from __future__ import annotations

import gzip
import hashlib
import os
import random
import tarfile
from pathlib import Path

import pytest
import zstandard
from fsspec.implementations.memory import MemoryFileSystem
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.shards.builders import JPEG, PNG, info, names_in, open_files, tar_bytes, three_samples, write

from nemo_curator import storage
from nemo_curator.errors import StorageError
from nemo_curator.shards import spool
from nemo_curator.shards.sample import Sample
from nemo_curator.shards.tar_reader import read_tar


def read(folder: Path, data: bytes, name: str = "00000.tar", **options) -> list[Sample]:
    """The samples of a shard of `data`."""
    return list(read_tar(write(folder / name, data), root=str(folder), **options))


def outcomes(samples: list[Sample]) -> list[tuple[str, str]]:
    """Id and error of each sample."""
    return [(sample.image_id, sample.error) for sample in samples]


def test_a_shard_of_samples(tmp_path):
    """Every member of a sample travels with its place and hash; the image is apart from its sidecars."""
    data = tar_bytes(three_samples())
    samples = read(tmp_path, data, "sub/00000.tar")
    assert outcomes(samples) == [("sub/00000/0000", ""), ("sub/00000/0001", ""), ("sub/00000/0002", "")]
    second = samples[1]
    assert second.image == PNG + b"\1" * 700
    assert second.sidecars == {"0001.txt": b"caption", "0001.json": b"{}"}
    assert [(member.name, member.extension) for member in second.source.members] == [
        ("0001.jpg", "jpg"),
        ("0001.txt", "txt"),
        ("0001.json", "json"),
    ]
    for member in second.source.members:
        content = data[member.offset :][: member.length]
        assert hashlib.sha256(content).hexdigest() == member.sha256
    assert (second.source.path, second.source.key, second.source.primary) == ("sub/00000.tar", "0001", 0)
    assert second.source.location == str(tmp_path / "sub/00000.tar")
    assert second.source.root == str(tmp_path)


def test_the_name_of_the_input_prefixes_ids(tmp_path):
    """Where several inputs were given, ids say of which one they are."""
    samples = read(tmp_path, tar_bytes(three_samples())[:-20000] + b"x" * 700, name="a.tar")
    named = list(read_tar(str(tmp_path / "a.tar"), root=str(tmp_path), name="train"))
    assert [sample.image_id for sample in named] == [f"train/{sample.image_id}" for sample in samples]
    assert {sample.source.name for sample in named} == {"train"}


def test_a_shard_that_is_its_own_root(tmp_path):
    """A tar given as an input has its file name as its path."""
    path = write(tmp_path / "x/one.tar", tar_bytes([("k.jpg", JPEG)]))
    assert [sample.image_id for sample in read_tar(path)] == ["one/k"]


def test_members_need_not_be_adjacent(tmp_path):
    """Samples come in the order of their first members, wherever the others lie."""
    data = tar_bytes([("b.txt", b"1"), ("a.jpg", JPEG), ("b.jpg", PNG), ("d/a.jpg", JPEG), ("a.txt", b"2")])
    samples = read(tmp_path, data)
    assert [sample.image_id for sample in samples] == ["00000/b", "00000/a", "00000/d/a"]
    assert samples[0].image == PNG
    assert samples[0].source.primary == 1
    assert samples[1].sidecars == {"a.txt": b"2"}


def test_images_are_known_by_content_and_the_first_is_primary(tmp_path):
    """A name does not make an image; further images travel as sidecars."""
    members = [("k.jpg", b"not an image"), ("k.cls", PNG), ("k.seg.png", PNG + b"2"), ("k.json", b"{}")]
    (sample,) = read(tmp_path, tar_bytes(members))
    assert sample.error == ""
    assert sample.image == PNG
    assert sample.source.primary == 1
    assert list(sample.sidecars) == ["k.jpg", "k.seg.png", "k.json"]


def test_a_key_without_an_image(tmp_path):
    """It is a record that still says what is there."""
    (sample,) = read(tmp_path, tar_bytes([("README", b"hello"), ("README.jpg", b"")]))
    assert (sample.image_id, sample.error) == ("00000/README", "no_image")
    assert sample.detail == "no member is an image: README, README.jpg (0 bytes)"
    assert sample.image == b""
    assert sample.sidecars == {"README": b"hello", "README.jpg": b""}
    assert all(member.sha256 for member in sample.source.members)


def test_a_name_that_is_there_twice(tmp_path):
    """The first is the member, the later ones are records of their own."""
    members = [("k.jpg", JPEG), ("k.jpg", PNG), ("k.txt", b"1"), ("k.jpg", b"third"), ("k#2.jpg", JPEG)]
    samples = read(tmp_path, tar_bytes(members))
    assert outcomes(samples) == [
        ("00000/k", ""),
        ("00000/k#3", "duplicate_member"),
        ("00000/k#4", "duplicate_member"),
        ("00000/k#2", ""),
    ]
    assert samples[0].image == JPEG
    (member,) = samples[1].source.members
    assert member.sha256 == hashlib.sha256(PNG).hexdigest()


def test_links_and_devices_are_records_and_never_followed(tmp_path):
    """Each says what it is; a sample beside it is whole without it."""
    members = [
        (info("k.jpg", kind=tarfile.SYMTYPE, link="/etc/passwd"), b""),
        ("m.jpg", JPEG),
        (info("m.txt", kind=tarfile.LNKTYPE, link="m.jpg"), b""),
        (info("m.dev", kind=tarfile.CHRTYPE), b""),
    ]
    samples = read(tmp_path, tar_bytes(members))
    assert outcomes(samples) == [
        ("00000/k", "unsupported_member"),
        ("00000/m", ""),
        ("00000/m#2", "unsupported_member"),
        ("00000/m#3", "unsupported_member"),
    ]
    assert samples[0].detail == "k.jpg is a symbolic link to '/etc/passwd'"
    assert samples[1].sidecars == {}


def test_hostile_names_are_only_names(tmp_path):
    """Absolute names, names that climb and names that are not UTF-8 are keys, and nothing is written anywhere."""
    names = ["/abs/k.jpg", "../../up.jpg", "a\udcff\udcfe.jpg", ".hidden.jpg", "two words\n.jpg", "\\x5c.jpg"]
    before = names_in(tmp_path)
    samples = read(tmp_path, tar_bytes([(name, JPEG) for name in names]))
    assert names_in(tmp_path) == [*before, "00000.tar"]
    assert [sample.source.key for sample in samples] == [
        "/abs/k",
        "../../up",
        "a\\xff\\xfe",
        ".hidden",
        "two words\n",
        "\\x5cx5c",
    ]
    assert not any(sample.error for sample in samples)
    for sample in samples:
        sample.image_id.encode()
        sample.source.members[0].name.encode()


def test_a_member_over_the_limit_is_not_read(tmp_path):
    """A gigabyte member costs no memory: the figure and the limit are the record."""
    path = tmp_path / "big.tar"
    with path.open("wb") as file:
        file.write(info("k.jpg", 1 << 30).tobuf())
        file.seek((1 << 30) + 512)
        file.write(tar_bytes([("k.txt", b"1"), ("n.jpg", JPEG)]))
    samples = list(read_tar(str(path)))
    assert outcomes(samples) == [("big/k", "over_limit"), ("big/n", "")]
    assert (
        samples[0].detail
        == "k.jpg has 1,073,741,824 bytes, over the limit of 64,000,000; raise limits.bytes in the recipe to admit it"
    )
    assert [member.sha256 for member in samples[0].source.members] == ["", ""]


def test_many_members_that_are_too_much_together(tmp_path):
    """A sample of a hundred members each just within the limit is refused too."""
    samples = read(tmp_path, tar_bytes([(f"k.{number}", b"x" * 1000) for number in range(5)]), max_bytes=1000)
    assert samples[0].detail == (
        "its files have 5,000 bytes together, over the limit of 4,000; raise limits.bytes in the recipe to admit it"
    )


def test_a_cut_shard(tmp_path):
    """Samples before the damage count, one with a cut member does not pass for whole, the damage is one record."""
    data = tar_bytes(three_samples())
    samples = read(tmp_path, data)
    cut = samples[1].source.members[1].offset + 3
    found = read(tmp_path, data[:cut])
    assert outcomes(found) == [("00000/0000", ""), ("00000/0001", "incomplete"), ("00000.tar", "damaged_shard")]
    assert found[1].image == b""
    assert found[2].detail == (
        f"damaged at byte {cut - 3 - 512} of the tar, after 4 whole members: "
        "the member '0001.txt' is cut off, 3 of its 7 bytes are there"
    )
    cut = samples[1].source.members[0].offset + 30
    assert outcomes(read(tmp_path, data[:cut])) == [("00000/0000", ""), ("00000.tar", "damaged_shard")]


@pytest.mark.parametrize("data", [b"", b"garbage" * 99, bytes(20_000)], ids=["empty", "garbage", "zeros"])
def test_what_is_no_tar_is_one_record(tmp_path, data):
    """It is under the shard's path with its extension."""
    assert outcomes(read(tmp_path, data)) == [("00000.tar", "damaged_shard")]


def test_what_cannot_be_opened_is_one_record(tmp_path):
    """A shard that is gone, a directory, a pipe."""
    os.mkfifo(tmp_path / "pipe.tar")
    (tmp_path / "dir.tar").mkdir()
    for name in ("gone", "dir", "pipe"):
        (sample,) = read_tar(str(tmp_path / f"{name}.tar"))
        assert (sample.image_id, sample.error) == (f"{name}.tar", "unreadable")


@pytest.mark.parametrize(
    ("name", "pack"),
    [
        ("0.tar.gz", gzip.compress),
        ("0.tgz", gzip.compress),
        ("0.tar.zst", zstandard.compress),
        ("0.tar.zstd", zstandard.compress),
        ("0.tar", gzip.compress),
        ("0.tar.gz", bytes),
        ("0.tar.gz", lambda data: gzip.compress(data[:3000]) + bytes(30) + gzip.compress(data[3000:])),
        ("0.tar.zst", lambda data: zstandard.compress(data[:3000]) + zstandard.compress(data[3000:])),
    ],
    ids=["gz", "tgz", "zst", "zstd", "gz named tar", "tar named gz", "joined gz", "joined zst"],
)
def test_compressed_shards_are_the_same_samples(tmp_path, name, pack):
    """Compression is known by content, and offsets are those of the plain tar."""
    data = tar_bytes(three_samples())
    plain = read(tmp_path, data, "plain/0.tar")
    packed = read(tmp_path, pack(data), name)
    assert outcomes(packed) == [(sample.image_id.removeprefix("plain/"), "") for sample in plain]
    assert [sample.source.members for sample in packed] == [sample.source.members for sample in plain]
    assert [sample.image for sample in packed] == [sample.image for sample in plain]


def noisy_members(count: int) -> list[tuple[str | tarfile.TarInfo, bytes]]:
    """Samples that do not compress."""
    noise = random.Random(7)  # noqa: S311  it only must not compress
    return [(f"{number:04d}.jpg", JPEG + noise.randbytes(5000)) for number in range(count)]


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress], ids=["gzip", "zstd"])
def test_damage_halfway_in_a_compressed_shard(tmp_path, pack):
    """Cut or overwritten in the middle: what came before is kept, and the damage is one record."""
    packed = pack(tar_bytes(noisy_members(100)))
    half = len(packed) // 2
    for data in (packed[:half], packed[:half] + b"\xff" * 300 + packed[half + 300 :]):
        samples = read(tmp_path, data, "0.tar.x.tar.gz")
        *good, last = samples
        assert last.error == "damaged_shard"
        assert len(good) >= 35
        assert not any(sample.error for sample in good)


def test_a_gzip_checksum_that_is_wrong(tmp_path):
    """Damage that shows only at the very end is said; every sample before it counts."""
    packed = bytearray(gzip.compress(tar_bytes(three_samples())))
    packed[-5] ^= 1
    samples = read(tmp_path, bytes(packed), "0.tar.gz")
    assert [sample.error for sample in samples] == ["", "", "", "damaged_shard"]
    assert samples[-1].detail.startswith("damaged at its end, after 9 whole members: the gzip stream is damaged")
    trailing = read(tmp_path, gzip.compress(tar_bytes(three_samples())) + b"trailing", "0.tar.gz")
    assert "followed by something else" in trailing[-1].detail


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress], ids=["gzip", "zstd"])
def test_a_bomb_is_cut(tmp_path, monkeypatch, pack):
    """A shard that expands beyond measure stops at the limit, with what came before it."""
    monkeypatch.setattr(spool, "EXPANSION_FLOOR", 1_000_000)
    data = tar_bytes([("k.jpg", JPEG), ("l.jpg", JPEG + bytes(400_000_000))])
    samples = read(tmp_path, pack(data), "0.tar.gz")
    assert outcomes(samples) == [("0/k", ""), ("0.tar.gz", "damaged_shard")]
    assert "expands to more than" in samples[1].detail


def test_no_room_to_unpack_ends_the_run(tmp_path):
    """That is no fault of the sample: the run must say so and stop."""
    path = write(tmp_path / "0.tar.gz", gzip.compress(tar_bytes(three_samples())))
    with pytest.raises(StorageError, match="room to unpack"):
        list(read_tar(path, spool_dir=str(tmp_path / "nowhere")))


def test_nothing_is_left_in_the_spool(tmp_path):
    """The temporary file has no name even while the shard is read."""
    path = write(tmp_path / "in/0.tar.gz", gzip.compress(tar_bytes(three_samples())))
    (tmp_path / "spool").mkdir()
    samples = read_tar(path, spool_dir=str(tmp_path / "spool"))
    next(samples)
    assert names_in(tmp_path / "spool") == []
    samples.close()


def test_remote_shards(tmp_path):
    """A shard behind a URL gives the same samples."""
    data = tar_bytes(three_samples())
    for name, content in (("a.tar", data), ("b.tar.gz", gzip.compress(data))):
        with storage.write_atomic(f"memory://set/{name}") as file:
            file.write(content)
        samples = list(read_tar(f"memory://set/{name}", root="memory://set"))
        assert [sample.image_id for sample in samples] == [f"{name[0]}/{key:04d}" for key in range(3)]
        assert [sample.image for sample in samples] == [sample.image for sample in read(tmp_path, data)]
    MemoryFileSystem.store.clear()


def test_a_shard_that_shrinks_while_it_is_read(tmp_path):
    """Samples behind the new end are unreadable; nothing is killed."""
    path = Path(write(tmp_path / "0.tar", tar_bytes(noisy_members(5))))
    samples = read_tar(str(path))
    first = next(samples)
    os.truncate(path, 10_000)
    errors = [first.error, *(sample.error for sample in samples)]
    assert errors == ["", "unreadable", "unreadable", "unreadable", "unreadable"]


def test_an_abandoned_reader_closes_its_file(tmp_path):
    """A consumer that stops early leaves no descriptor open."""
    path = write(tmp_path / "0.tar", tar_bytes(three_samples()))
    before = open_files()
    samples = read_tar(path)
    next(samples)
    samples.close()
    assert open_files() == before


def test_cut_anywhere_keeps_the_samples_before(tmp_path):
    """At every block boundary and beside it: the samples that are whole are the same, and the rest is said."""
    data = tar_bytes(three_samples())
    whole = read(tmp_path, data)
    ends = [max(member.offset + member.length for member in sample.source.members) for sample in whole]
    marked = (ends[-1] + 511) // 512 * 512 + 512
    for length in sorted({at + by for at in range(512, len(data), 512) for by in (-1, 0, 1)}):
        samples = read(tmp_path, data[:length])
        good = [sample for sample in samples if not sample.error]
        complete = sum(end <= length for end in ends)
        assert [sample.image for sample in good[:complete]] == [sample.image for sample in whole[:complete]]
        assert [sample.error for sample in samples].count("damaged_shard") == (length < marked)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_mutated_shards_never_raise(tmp_path, data):
    """Flipped, cut and spliced bytes give samples and records with unique ids, never an error."""
    mutated = bytearray(tar_bytes(three_samples(), data.draw(st.sampled_from([0, 1, 2]))))
    for _ in range(data.draw(st.integers(0, 5))):
        mutated[data.draw(st.integers(0, len(mutated) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(mutated)))
    samples = read(tmp_path, bytes(mutated[:cut]) + data.draw(st.binary(max_size=600)))
    ids = [sample.image_id for sample in samples]
    assert len(set(ids)) == len(ids)
    for sample in samples:
        assert bool(sample.error) != bool(sample.image)
        assert bool(sample.error) == bool(sample.detail)


def test_real_shards(photos: Path):
    """A thousand real photos, each with caption and label."""
    samples = [sample for shard in sorted(photos.glob("*.tar")) for sample in read_tar(str(shard), root=str(photos))]
    assert len({sample.image_id for sample in samples}) == len(samples) == 1000
    assert all(not sample.error and len(sample.sidecars) == 2 for sample in samples)

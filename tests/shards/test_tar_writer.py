from __future__ import annotations

import hashlib
import io
import subprocess
import tarfile
from typing import Any

import pytest
import webdataset
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.shards.builders import JPEG, member_names, three_samples, write

from nemo_curator.shards import tar_writer
from nemo_curator.shards.fetch import read_members
from nemo_curator.shards.names import from_text, to_text
from nemo_curator.shards.tar_reader import read_tar
from nemo_curator.shards.tar_writer import TarWriter


def written(members: list[tuple[str, bytes]]) -> tuple[bytes, TarWriter]:
    """The bytes of a tar, and its writer."""
    file = io.BytesIO()
    with TarWriter(file) as tar:
        for name, data in members:
            tar.add(name, data)
    return file.getvalue(), tar


def test_a_member_is_where_it_says():
    """The place returned is where the bytes lie; size and hash of the whole are known without a second read."""
    file = io.BytesIO()
    tar = TarWriter(file)
    one = tar.add("k.seg.png", b"12345")
    two = tar.add("k.txt", b"6", sha256="known")
    tar.close()
    tar.close()
    data = file.getvalue()
    assert (one.name, one.extension, one.offset, one.length) == ("k.seg.png", "seg.png", 512, 5)
    assert data[one.offset : one.offset + 5] == b"12345"
    assert one.sha256 == hashlib.sha256(b"12345").hexdigest()
    assert (two.offset, two.sha256) == (1536, "known")
    assert tar.sha256 == hashlib.sha256(data).hexdigest()
    assert tar.size == len(data) == 10240
    with pytest.raises(ValueError, match="closed"):
        tar.add("late", b"")


def test_the_same_members_are_the_same_bytes():
    """No clock, no user, no host: the digest is fixed for good."""
    data, tar = written(three_samples())
    assert data == written(three_samples())[0]
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        headers = {(one.mode, one.uid, one.gid, one.uname, one.gname, one.mtime) for one in archive}
    assert headers == {(0o644, 0, 0, "", "", 0)}
    assert tar.sha256.startswith("b616bd4b5b06de42c625df23c35ca33c")


def test_a_body_that_raises_leaves_no_end_marker():
    """An unfinished tar does not pass for a whole one."""
    file = io.BytesIO()

    def write_half() -> None:
        with TarWriter(file) as tar:
            tar.add("k.jpg", bytes(1 << 20))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_half()
    assert len(file.getvalue()) == 512 + (1 << 20)


def test_small_members_reach_the_file_together():
    """A write and a hash hand over to other threads each time, which costs more than a small member does."""

    class Counting(io.BytesIO):
        """Counts its writes."""

        writes = 0

        def write(self, data: Any, /) -> int:
            """One more."""
            self.writes += 1
            return super().write(data)

    file = Counting()
    with TarWriter(file) as tar:
        for number in range(100):
            tar.add(f"{number}.jpg", bytes(30_000))
        assert tar.sha256 == hashlib.sha256(file.getvalue()).hexdigest()
    assert file.writes <= 5
    assert tar.sha256 == hashlib.sha256(file.getvalue()).hexdigest()


@pytest.mark.parametrize("name", ["", "dir/", "a\0b"])
def test_names_that_are_none(name):
    """What no archive can hold is refused."""
    with pytest.raises(ValueError, match="no name"):
        TarWriter(io.BytesIO()).add(name, b"")


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(member_names(), st.binary(max_size=1200), max_size=6))
def test_round_trip(tmp_path, members):
    """Whatever the names and bytes, tarfile and our reader find exactly them, undecodable names included."""
    data, _ = written([(to_text(name), content) for name, content in members.items()])
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        assert {one.name: archive.extractfile(one).read() for one in archive} == members
    path = write(tmp_path / "0.tar", data)
    found = [member for sample in read_tar(path) for member in sample.source.members]
    assert {member.name for member in found} == {to_text(name) for name in members}
    contents = dict(zip((member.name for member in found), read_members(path, found), strict=True))
    assert contents == {to_text(name): content for name, content in members.items()}


def test_gnu_tar_reads_it(tmp_path):
    """Names beyond a header's field, and beyond ASCII, are as they were."""
    names = ["short.jpg", "d/" * 120 + "long.jpg", "größe/日本.png", "n" * 101, "raw\udcff.jpg"]
    path = write(
        tmp_path / "0.tar", written([(to_text(name), name.encode("utf-8", "surrogateescape")) for name in names])[0]
    )
    listed = subprocess.run(["tar", "--quoting-style=literal", "-tf", path], capture_output=True, check=True)
    assert listed.stdout.decode("utf-8", "surrogateescape").splitlines() == names
    assert listed.stderr == b""


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # webdataset leaves closing to the collector
def test_webdataset_reads_it(tmp_path):
    """The field's reader finds the samples and their members."""
    path = write(tmp_path / "00000.tar", written(three_samples())[0])
    samples = list(webdataset.WebDataset(path, shardshuffle=False))
    assert [sample["__key__"] for sample in samples] == ["0000", "0001", "0002"]
    assert [sample["txt"] for sample in samples] == [b"caption"] * 3
    assert samples[0]["jpg"] == JPEG


def test_copying_a_shard_keeps_every_byte(tmp_path, photos):
    """Real samples read, written and read again are the same bytes."""
    source = str(photos / "00000.tar")
    data, _ = written(
        [
            (member.name, content)
            for sample in read_tar(source)
            for member, content in zip(sample.source.members, read_members(source, sample.source.members), strict=True)
        ]
    )
    copy = write(tmp_path / "00000.tar", data)
    for one, other in zip(read_tar(source), read_tar(copy), strict=True):
        assert (one.image_id, one.image, one.sidecars) == (other.image_id, other.image, other.sidecars)


@given(
    st.text(st.characters(codec="ascii", exclude_characters="\0"), min_size=1, max_size=110),
    st.integers(0, 8**11 + 5) | st.sampled_from([8**11 - 1, 8**11]),
)
def test_headers_are_those_of_tarfile(name, size):
    """The short way to a header gives, for every plain name and length, the bytes that `tarfile` gives."""
    known = tarfile.TarInfo(from_text(name))
    known.size = size
    assert tar_writer._header(name, size) == known.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")

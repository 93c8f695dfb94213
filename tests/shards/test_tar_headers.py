from __future__ import annotations

import io
import os
import subprocess
import tarfile
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.shards.builders import FORMATS, info, member_names, resealed, tar_bytes, three_samples

from nemo_curator.shards.tar_headers import MAX_HEADER_BYTES, TarDamage, TarEntry, walk

LINK = tarfile.SYMTYPE


def walked(data: bytes) -> tuple[list[TarEntry], TarDamage | None]:
    """The members and the damage of an archive."""
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.flush()
        found = list(walk(file.fileno()))
    damage = found.pop() if found and isinstance(found[-1], TarDamage) else None
    assert not any(isinstance(entry, TarDamage) for entry in found)
    return found, damage


def by_tarfile(data: bytes) -> list[tuple[str, int, int]]:
    """What the standard library finds: name, offset and size of the regular files."""
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return [(member.name, member.offset_data, member.size) for member in tar if member.isreg()]


@settings(max_examples=150)
@given(st.sampled_from(FORMATS), st.lists(st.tuples(member_names(), st.binary(max_size=1500)), max_size=8))
def test_equal_to_tarfile(form, members):
    """On whatever tarfile writes, in its three formats, both find the same files at the same places."""
    try:
        data = tar_bytes(members, form)
    except ValueError:  # plain ustar has no room for some names
        return
    entries, damage = walked(data)
    assert damage is None
    assert [(entry.name, entry.offset, entry.size) for entry in entries] == by_tarfile(data)
    assert [data[entry.offset :][: entry.size] for entry in entries] == [content for _, content in members]


@pytest.mark.parametrize("form", FORMATS)
def test_every_kind_of_member(form):
    """Links, devices and pipes are reported by kind with what they point to; directories are passed over."""
    kinds = [
        (info("dir", kind=tarfile.DIRTYPE), b""),
        (info("hard", kind=tarfile.LNKTYPE, link="0.jpg"), b""),
        (info("soft", kind=LINK, link="../../etc/passwd"), b""),
        (info("char", kind=tarfile.CHRTYPE), b""),
        (info("block", kind=tarfile.BLKTYPE), b""),
        (info("fifo", kind=tarfile.FIFOTYPE), b""),
        (info("contiguous", 3, tarfile.CONTTYPE), b"abc"),
        (info("old", 3, tarfile.AREGTYPE), b"abc"),
        (info("strange", 3, b"Z"), b"abc"),
    ]
    entries, damage = walked(tar_bytes(kinds, form))
    assert damage is None
    assert [(entry.name, entry.kind, entry.link) for entry in entries] == [
        ("hard", "hard link", "0.jpg"),
        ("soft", "symbolic link", "../../etc/passwd"),
        ("char", "character device", ""),
        ("block", "block device", ""),
        ("fifo", "pipe", ""),
        ("contiguous", "file", ""),
        ("old", "file", ""),
        ("strange", "member of the unknown type b'Z'", ""),
    ]


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names_and_links(form):
    """Names and link targets beyond a header's fields."""
    name, target = "d/" * 200 + "file.jpg", "t/" * 200
    entries, _ = walked(tar_bytes([(name, b"x"), (info("l", kind=LINK, link=target), b"")], form))
    assert entries[0].name == name
    assert entries[1].link.rstrip("/") == target.rstrip("/")


def test_ustar_prefix_and_gnu_times():
    """A POSIX header continues its name in the prefix; a GNU header keeps other things there."""
    name = "p" * 100 + "/" + "n" * 90
    data = bytearray(tar_bytes([(name, b"")], tarfile.USTAR_FORMAT))
    assert walked(bytes(data))[0][0].name == name
    data[257:265] = b"ustar  \0"
    assert walked(resealed(data))[0][0].name == "n" * 90


def test_a_directory_of_the_oldest_format():
    """Before POSIX a slash at the end of the name made a directory."""
    data = bytearray(tar_bytes([("dir0", b"")], tarfile.USTAR_FORMAT))
    data[0:5] = b"dir0/"
    data[156:157] = b"\0"
    assert walked(resealed(data)) == ([], None)


def test_pax_overrides_and_globals():
    """A local record wins over a global one, and a global one over the header."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT, pax_headers={"path": "everywhere"}) as tar:
        tar.addfile(info("first", 1), io.BytesIO(b"1"))
        second = info("second", 1)
        second.pax_headers = {"path": "my own", "comment": "ü"}
        tar.addfile(second, io.BytesIO(b"2"))
    entries, damage = walked(file.getvalue())
    assert damage is None
    assert [entry.name for entry in entries] == ["everywhere", "my own"]


def test_sizes_in_base_256_and_in_pax():
    """Both ways to say a size beyond eight gigabytes."""
    plain = tar_bytes([("a", b"12345")], tarfile.USTAR_FORMAT)
    data = bytearray(plain)
    data[124:136] = b"\x80" + (5).to_bytes(11, "big")
    assert walked(resealed(data))[0][0].size == 5
    data[124:136] = b"\xff" * 12
    assert "negative" in walked(resealed(data))[1].reason
    data[124:136] = b"\x80" + (1 << 60).to_bytes(11, "big")
    assert walked(resealed(data))[1].member == "a"
    sized = info("a", 5)
    sized.pax_headers = {"size": "5"}
    assert walked(tar_bytes([(sized, b"12345")]))[0][0].size == 5


@pytest.mark.parametrize("size", [b"x5", b"-1", b"\xd9\xa5"])
def test_a_pax_size_that_is_none(size):
    """A size that is no plain number is damage."""
    header = info("a", 0)
    header.pax_headers = {"size": "Q" * len(size)}
    data = tar_bytes([(header, b"")]).replace(b"size=" + b"Q" * len(size), b"size=" + size)
    entries, damage = walked(data)
    assert entries == []
    assert damage == TarDamage(0, "a PAX header states a size that is no number")


def test_signed_checksums():
    """Some old systems added signed bytes."""
    data = bytearray(tar_bytes([("caf\udce9\udce9", b"1")], tarfile.GNU_FORMAT))
    data[148:156] = b" " * 8
    data[148:156] = b"%06o\0 " % sum(byte - 256 if byte > 127 else byte for byte in data[:512])
    entries, damage = walked(bytes(data))
    assert damage is None
    assert entries[0].name == "caf\udce9\udce9"


@pytest.mark.parametrize("form", ["gnu", "posix"])
def test_sparse_members(tmp_path, form):
    """GNU tar's sparse files, old style and PAX, are reported, and what follows them is found."""
    with (tmp_path / "sparse").open("wb") as file:
        for block in range(40):  # more pieces than one header has room for
            file.seek(block * 1_000_000)
            file.write(b"data" * 2000)
    (tmp_path / "z.jpg").write_bytes(b"after")
    subprocess.run(["tar", "-cSf", "s.tar", f"--format={form}", "sparse", "z.jpg"], cwd=tmp_path, check=True)
    entries, damage = walked((tmp_path / "s.tar").read_bytes())
    assert damage is None
    assert [(entry.name, entry.kind) for entry in entries] == [("sparse", "sparse file"), ("z.jpg", "file")]


def test_archives_joined_by_cat():
    """What follows an end marker is read too, as nothing may be dropped silently."""
    one, other = tar_bytes([("a", b"1")]), tar_bytes([("b", b"2")])
    entries, damage = walked(one + other)
    assert [entry.name for entry in entries] == ["a", "b"]
    assert damage is None


def test_what_follows_the_end_and_is_no_header():
    """Garbage behind the end marker is damage, after all members."""
    data = tar_bytes([("a", b"1")])
    entries, damage = walked(data + b"garbage" * 100)
    assert len(entries) == 1
    assert damage.position == len(data)


@pytest.mark.parametrize(
    ("data", "position", "words"),
    [
        (b"", 0, "without an end-of-archive marker"),
        (b"PK\x03\x04" * 1000, 0, "no tar header"),
        (b"\xff\xd8\xff" * 10, 0, "ends inside a header"),
        (bytes(100_000), 0, "only zeros"),
        (tar_bytes([("a", b"1")]) + bytes(2 << 20), 1024, "only zeros"),
    ],
    ids=["empty", "garbage", "short", "zeros", "hole at the end"],
)
def test_what_is_no_tar(data, position, words):
    """An empty file, garbage, and what a crash leaves."""
    _, damage = walked(data)
    assert damage.position == position
    assert words in damage.reason


def test_an_empty_archive_is_whole():
    """No member is no damage."""
    assert walked(tar_bytes([])) == ([], None)
    assert walked(bytes(1024)) == ([], None)


def test_a_huge_header_is_refused_before_it_is_read():
    """A gigabyte of PAX header costs nothing."""
    data = bytearray(tar_bytes([(info("x", 0, tarfile.XHDTYPE), b"")], tarfile.USTAR_FORMAT))
    data[124:136] = b"%011o\0" % (1 << 30)
    _, damage = walked(resealed(data))
    assert f"over the limit of {MAX_HEADER_BYTES}" in damage.reason


@pytest.mark.parametrize("body", [b"x", b"99 path=a\n", b"9 path=ab", b"8 patha\n", b"0 =\n", b"\xff\xff", b"3 \n"])
def test_damaged_pax_records(body):
    """A PAX header that does not parse ends the walk at its own position."""
    data = tar_bytes([("ok", b"1"), (info("x", len(body), tarfile.XHDTYPE), body), ("a", b"2")], tarfile.USTAR_FORMAT)
    entries, damage = walked(data)
    assert [entry.name for entry in entries] == ["ok"]
    assert damage.position == 1024
    assert "PAX header is damaged" in damage.reason


def test_chains_of_headers_neither_recurse_nor_hang():
    """Fifty thousand headers about nothing are walked through."""
    one = tar_bytes([(info("x", 0, tarfile.XHDTYPE), b"")], tarfile.USTAR_FORMAT)[:512]
    entries, damage = walked(one * 50_000)
    assert entries == []
    assert "ends" in damage.reason


def cuts(size: int) -> list[int]:
    """Every block boundary, and a byte before and after."""
    return sorted({at + by for at in range(0, size + 1, 512) for by in (-1, 0, 1) if 0 <= at + by <= size})


@pytest.mark.parametrize("form", FORMATS)
def test_cut_anywhere(form):
    """Cut at any block boundary or beside it: the members that are whole, and damage right behind them."""
    long = [] if form == tarfile.USTAR_FORMAT else [("d/" * 60 + "long", b"q" * 600), ("größe.jpg", b"z" * 512)]
    data = tar_bytes([*long, *three_samples()], form)
    whole, damage = walked(data)
    assert damage is None
    used = whole[-1].offset + 512
    for length in cuts(len(data)):
        entries, damage = walked(data[:length])
        assert entries == [entry for entry in whole if entry.offset + entry.size <= length]
        assert (damage is None) == (length >= used + 512)
        if damage:
            assert max((entry.offset + entry.size for entry in entries), default=0) <= damage.position <= length


@settings(max_examples=300)
@given(st.sampled_from(FORMATS), st.data())
def test_flipped_bytes_never_raise(form, data):
    """Whatever bytes are changed, the walk ends, every member lies in the file, and a changed header is noticed."""
    plain = tar_bytes(three_samples(), form)
    mutated = bytearray(plain)
    for _ in range(data.draw(st.integers(1, 4))):
        mutated[data.draw(st.integers(0, len(plain) - 1))] = data.draw(st.integers(0, 255))
    entries, _ = walked(bytes(mutated))
    assert all(0 < entry.offset <= entry.offset + entry.size <= len(plain) for entry in entries)


@settings(max_examples=200)
@given(st.binary(max_size=2000), st.integers(0, 6))
def test_random_bytes_never_raise(data, blocks):
    """Neither do random bytes, behind zeros or not."""
    entries, damage = walked(bytes(512 * blocks) + data)
    assert entries == [] or damage is None or damage.position > 0


def test_a_file_that_shrinks_meanwhile(tmp_path):
    """The walk of a file that is cut while it is walked ends with damage, not with a signal."""
    path = tmp_path / "a.tar"
    path.write_bytes(tar_bytes([(f"{number}", b"x" * 9000) for number in range(9)]))
    descriptor = os.open(path, os.O_RDONLY)
    steps = walk(descriptor)
    assert next(steps).name == "0"
    os.truncate(path, 10_000)
    *_, last = steps
    os.close(descriptor)
    assert isinstance(last, TarDamage)


def test_real_shards(photos: Path):
    """On the real photos both walkers agree."""
    for shard in sorted(photos.glob("*.tar"))[:2]:
        data = shard.read_bytes()
        entries, damage = walked(data)
        assert damage is None
        assert [(entry.name, entry.offset, entry.size) for entry in entries] == by_tarfile(data)
        assert len(entries) == 375

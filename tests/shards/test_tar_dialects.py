from __future__ import annotations

import io
import os
import subprocess
import tarfile
from pathlib import Path

import pytest
from tests.shards.builders import FORMATS, JPEG, block_padded, info, pax_body, resealed, tar_bytes, write

from nemo_curator.shards import tar_headers
from nemo_curator.shards.sample import Sample
from nemo_curator.shards.tar_pax import pax_records
from nemo_curator.shards.tar_reader import read_tar

END = bytes(1024)


def read(folder: Path, data: bytes) -> list[Sample]:
    """The samples of a shard of `data`."""
    return list(read_tar(write(folder / "0.tar", data)))


def outcomes(samples: list[Sample]) -> list[tuple[str, str]]:
    """Key and error of each sample."""
    return [(sample.source.key, sample.error) for sample in samples]


def member(name: str, data: bytes = JPEG, **changes: bytes) -> bytes:
    """One ustar member whose header's fields are overwritten: `at_124=b"..."`."""
    header = bytearray(info(name, len(data)).tobuf(tarfile.USTAR_FORMAT))
    for place, value in changes.items():
        at = int(place.removeprefix("at_"))
        header[at : at + len(value)] = value
    return resealed(header) + block_padded(data)


@pytest.mark.parametrize(
    "changes",
    [
        {"at_257": bytes(255)},
        {"at_156": b"\0"},
        {"at_257": b"ustar  \0"},
        {"at_508": b"tar\0"},
        {"at_124": b"\x80" + len(JPEG).to_bytes(11, "big")},
        {"at_124": b"%11o " % len(JPEG)},
        {"at_124": b"%012o" % len(JPEG)},
        {"at_100": bytes(24), "at_136": bytes(12)},
        {"at_156": b"7"},
    ],
    ids=["v7", "old file", "gnu", "star", "base-256", "spaces", "no end of number", "empty fields", "contiguous"],
)
def test_every_dialect_of_a_header(tmp_path, changes):
    """Whoever wrote the header, the member is the same sample."""
    samples = read(tmp_path, member("d/k.jpg", **changes) + member("l.jpg") + END)
    assert outcomes(samples) == [("d/k", ""), ("l", "")]
    assert [sample.image for sample in samples] == [JPEG, JPEG]


@pytest.mark.parametrize("kind", [b"x", b"X"], ids=["pax", "solaris"])
def test_extended_headers_of_both_letters(tmp_path, kind):
    """Solaris wrote PAX records before POSIX did, under another letter."""
    body = pax_body([(b"path", "größe.jpg".encode()), (b"size", b"%d" % len(JPEG))])
    header = info("h", len(body), kind).tobuf(tarfile.USTAR_FORMAT) + block_padded(body)
    assert outcomes(read(tmp_path, header + member("other", at_124=b"%011o\0" % 0) + END)) == [("größe", "")]


def test_global_headers_nest(tmp_path):
    """A later global record replaces an earlier one, a local one beats both, and what they do not name stays."""
    parts = []
    for kind, records in (("g", [(b"path", b"a.jpg")]), ("g", [(b"comment", b"x")]), ("g", [(b"path", b"b.jpg")])):
        body = pax_body(records)
        parts += [info("h", len(body), kind.encode()).tobuf(tarfile.USTAR_FORMAT), block_padded(body), member("m")]
    body = pax_body([(b"path", b"c.jpg")])
    parts += [info("h", len(body), b"x").tobuf(tarfile.USTAR_FORMAT), block_padded(body), member("m"), END]
    keys = [sample.source.key for sample in read(tmp_path, b"".join(parts))]
    assert keys == ["a", "a", "b", "c"]


def test_a_header_keeps_a_few_records_of_any_number():
    """Fifty thousand records of a sparse map, or of anything else, are not held; global ones would stay for ever."""
    body = pax_body([(b"GNU.sparse.%d" % number, b"1") for number in range(50_000)] + [(b"path", b"p")])
    assert pax_records(body) == {"GNU.sparse": "", "path": "p"}


def test_a_directory_that_states_a_size(tmp_path):
    """It is the room that the directory may take, and no data follows."""
    directory = member("dir/", b"", at_156=b"5", at_124=b"%011o\0" % 4096)
    assert outcomes(read(tmp_path, directory + member("k.jpg") + END)) == [("k", "")]


def test_hard_links_with_and_without_data(tmp_path):
    """Some programs write the data of a hard link once more, others its size alone; neither hides what follows."""
    with_data = member("l.jpg", at_156=b"1", at_157=b"k.jpg\0")
    for link in (with_data, with_data[:512]):
        samples = read(tmp_path, member("k.jpg") + link + member("m.jpg") + END)
        assert outcomes(samples) == [("k", ""), ("l", "unsupported_member"), ("m", "")]
        assert samples[1].detail == "l.jpg is a hard link to 'k.jpg'"
    samples = read(tmp_path, member("k.jpg") + with_data[:512] + END)
    assert outcomes(samples) == [("k", ""), ("l", "unsupported_member")]


def test_a_chain_of_links(tmp_path):
    """Links to links, to themselves and out of the archive are one record each; nobody goes along them."""
    links = [("a.jpg", "b.jpg"), ("b.jpg", "c.jpg"), ("c.jpg", "a.jpg"), ("d.jpg", "d.jpg"), ("e.jpg", "/etc/passwd")]
    members = [(info(name, kind=tarfile.SYMTYPE, link=to), b"") for name, to in links]
    assert [sample.error for sample in read(tmp_path, tar_bytes(members))] == ["unsupported_member"] * 5


@pytest.mark.parametrize(
    "options",
    [
        ["--format=gnu"],
        ["--format=posix", "--sparse-version=0.0"],
        ["--format=posix", "--sparse-version=0.1"],
        ["--format=posix", "--sparse-version=1.0"],
    ],
    ids=["gnu", "0.0", "0.1", "1.0"],
)
def test_sparse_members_of_all_four_kinds(tmp_path, options):
    """A sparse image is a record under its own name, and the sample behind it is whole."""
    if b"GNU tar" not in subprocess.run(["tar", "--version"], capture_output=True, check=False).stdout:
        pytest.skip("this machine's tar is not GNU tar, which alone writes sparse members")
    folder = tmp_path / "in"
    write(folder / "k.jpg", JPEG)
    with (folder / "k.jpg").open("r+b") as file:
        for piece in range(1, 40):  # more than one header has room for
            file.seek(piece << 16)
            file.write(b"data")
    write(folder / "z.jpg", JPEG)
    subprocess.run(["tar", "-cSf", "../s.tar", *options, "k.jpg", "z.jpg"], cwd=folder, check=True)
    samples = list(read_tar(str(tmp_path / "s.tar")))
    assert outcomes(samples) == [("k", "unsupported_member"), ("z", "")]
    assert samples[0].detail == "k.jpg is a sparse file"
    assert samples[1].image == JPEG


def test_archives_of_all_formats_joined(tmp_path):
    """Whatever was put behind one another with `cat` is read to its end."""
    joined = b"".join(tar_bytes([(f"{form}.jpg", JPEG)], form) for form in FORMATS)
    assert outcomes(read(tmp_path, joined)) == [(str(form), "") for form in FORMATS]


@pytest.mark.parametrize("by", [1, 256, 511])
def test_headers_at_odd_positions(tmp_path, by):
    """Blocks that are shifted are no headers: damage where the shift is, samples before it."""
    data = tar_bytes([("k.jpg", JPEG)])[:1024] + bytes(by) + tar_bytes([("l.jpg", JPEG)])
    samples = read(tmp_path, data)
    assert outcomes(samples) == [("k", ""), ("", "damaged_shard")]
    assert "damaged at byte 1024" in samples[1].detail


def test_a_hole_between_members(tmp_path):
    """Megabytes of zeros where members may have been: what is there on both sides counts, and the hole is said."""
    one, other = tar_bytes([("k.jpg", JPEG)])[:1024], tar_bytes([("l.jpg", JPEG)])
    samples = read(tmp_path, one + bytes(3 << 20) + other)
    assert outcomes(samples) == [("k", ""), ("l", ""), ("", "damaged_shard")]
    assert "members may be missing; there are 3145728 bytes of zeros at byte 1024" in samples[2].detail
    assert "zeros at byte 1024" in read(tmp_path, one + bytes(3 << 20) + other[:700])[-1].detail


def test_terabytes_of_nothing(tmp_path, monkeypatch):
    """A file that is one hole is not read for hours."""
    monkeypatch.setattr(tar_headers, "_MAX_HOLES", 1 << 24)
    path = write(tmp_path / "0.tar", tar_bytes([("k.jpg", JPEG)]))
    os.truncate(path, 8 << 40)
    samples = list(read_tar(path))
    assert outcomes(samples) == [("k", ""), ("", "damaged_shard")]
    assert "more than 16777216 bytes of zeros follow" in samples[1].detail


@pytest.mark.parametrize(
    "size",
    [
        b"\x80" + b"\xff" * 11,
        b"\xff" * 12,
        b"7" * 12,
        b"-0000000001\0",
        b"99999999999\0",
        b"\x80" + b"\0" * 3 + b"\xff" * 8,
    ],
    ids=["huge", "negative", "octal", "minus", "no octal", "over 64 bits"],
)
def test_sizes_that_overflow(tmp_path, size):
    """A size that no file has is damage at its header."""
    samples = read(tmp_path, member("k.jpg") + member("l.jpg", at_124=size) + END)
    assert outcomes(samples) == [("k", ""), ("", "damaged_shard")]
    assert "damaged at byte 1024" in samples[1].detail


def test_names_that_differ_little(tmp_path):
    """Case, Unicode normalisation, `./` and doubled slashes make other keys; an empty name is a key too."""
    names = [
        "k.jpg",
        "K.jpg",
        "é.jpg",
        "e\u0301.jpg",
        "./k.jpg",
        "d/k.jpg",
        "d//k.jpg",
        "",
        "\\.jpg",
        "ж\u202eк.jpg",
        "n\n.jpg",
    ]
    samples = read(tmp_path, tar_bytes([(name, JPEG) for name in names]))
    assert [sample.error for sample in samples] == [""] * len(names)
    assert len({sample.image_id for sample in samples}) == len(names)
    assert [sample.source.members[0].name for sample in samples] == names


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_names_of_four_thousand_characters(tmp_path, form):
    """They are read whole, whichever header holds them; what they differ in comes last."""
    names = ["d/" * 2000 + f"{number}.jpg" for number in range(2)]
    samples = read(tmp_path, tar_bytes([(name, JPEG) for name in names], form))
    assert [sample.source.members[0].name for sample in samples] == names


def test_names_end_at_a_zero_byte(tmp_path):
    """As in a header itself, so in GNU and PAX headers."""
    for kind, body in ((b"L", b"k.jpg\0.png\0"), (b"x", pax_body([(b"path", b"k.jpg\0.png")]))):
        header = info("h", len(body), kind).tobuf(tarfile.USTAR_FORMAT) + block_padded(body)
        (sample,) = read(tmp_path, header + member("m") + END)
        assert sample.source.members[0].name == "k.jpg"


def test_a_member_named_like_its_shard(tmp_path):
    """It is a member, not the loose file of that name."""
    file = io.BytesIO(tar_bytes([("0.tar", JPEG)]))
    (sample,) = read(tmp_path, file.getvalue())
    assert (sample.image_id, sample.source.key, sample.error) == ("0/0", "0", "")

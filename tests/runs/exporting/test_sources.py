"""Sources that vanished or changed between scoring and exporting: named, and never exported."""

from __future__ import annotations

import gzip
import re

import pytest
from tests.runs.exporting.made import contents, decide, deliver, image, rows_of, scored, tars

from nemo_curator.errors import ConservationError, InputError
from nemo_curator.kernels.source import Member
from nemo_curator.runs.exporting import ExportSettings, delivered, export
from nemo_curator.shards.fetch import read_members
from nemo_curator.testing import tar_bytes

ORDERS = [None, 3]


def loose(folder, count=6):
    """A folder of images, each with a caption."""
    folder.mkdir()
    for number in range(count):
        (folder / f"{number}.jpg").write_bytes(image(number))
        (folder / f"{number}.txt").write_bytes(b"caption %d" % number)
    return folder


def flip(path, at=-1000):
    """Change one byte of a file, keeping its length."""
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("shuffle", ORDERS)
def test_all_missing_sources_are_named_before_anything_is_written(tmp_path, shuffle):
    """One sentence names the first sources that are gone or of another length, and how many there are."""
    source = tars(tmp_path / "in", 8, 2)
    made = scored(source, tmp_path / "run")
    decide(made)
    for number in range(6):
        (source / f"{number:03d}.tar").unlink()
    (source / "006.tar").write_bytes(b"short")
    with pytest.raises(InputError, match=r"7 of 8 source files.*000\.tar \(gone\).*and 2 more") as caught:
        export(*made, str(tmp_path / "out"), ExportSettings(shard_size=4, shuffle=shuffle))
    assert not (tmp_path / "out").exists()
    assert "006.tar" not in str(caught.value)


def test_length_is_told(tmp_path):
    """A source of another length is told with both lengths."""
    source = loose(tmp_path / "in")
    made = scored(source, tmp_path / "run")
    decide(made)
    (source / "3.jpg").write_bytes(b"1234567")
    with pytest.raises(InputError, match=r"1 of 6 source files.*3\.jpg \(7 bytes instead of 311\)"):
        export(*made, str(tmp_path / "out"), ExportSettings())


def test_sources_of_rejected_samples_are_not_needed(tmp_path):
    """What nobody exports may be gone."""
    source = loose(tmp_path / "in")
    made = scored(source, tmp_path / "run")
    decide(made, lambda at, _: ("reject" if at == 3 else "keep", None))
    (source / "3.jpg").unlink()
    assert deliver(made, tmp_path / "out", ExportSettings()).samples == 5


@pytest.mark.parametrize("shuffle", ORDERS)
@pytest.mark.parametrize("suffix", [".tar", ".tar.gz"])
def test_changed_bytes_end_the_export(tmp_path, suffix, shuffle):
    """Bytes that differ are named with their sample and not exported; when they are back, the export is finished."""
    source = tars(tmp_path / "in", 2, 3, suffix)
    made = scored(source, tmp_path / "run")
    decide(made)
    settings = ExportSettings(shard_size=2, shuffle=shuffle)
    deliver(made, tmp_path / "whole", settings)
    path = source / f"001{suffix}"
    before = path.read_bytes()
    plain = gzip.decompress(before) if suffix == ".tar.gz" else before
    changed = plain.replace(image(4, 200 + 37 * 4), image(5, 200 + 37 * 4))
    assert changed != plain
    path.write_bytes(gzip.compress(changed, mtime=0) if suffix == ".tar.gz" else changed)
    for one in made[1]:
        for entry in one.entries:
            object.__setattr__(entry, "size", -1)  # as of a store that does not tell lengths
    with pytest.raises(InputError, match=r"0004\.jpg.*not the ones.*'001/0004'"):
        deliver(made, tmp_path / "out", settings)
    assert delivered(str(tmp_path / "out")) is None
    path.write_bytes(before)
    deliver(made, tmp_path / "out", settings)
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


@pytest.mark.parametrize("form", ["webdataset", "folder", "parquet", "mds"])
@pytest.mark.parametrize("shuffle", ORDERS)
@pytest.mark.parametrize("suffix", [".tar", ".tar.gz"])
def test_missing_samples_may_be_left_out(tmp_path, form, shuffle, suffix):
    """With `skip_missing` the rest is exported, the manifest says what is missing, and a later export fills the gap."""
    source = tars(tmp_path / "in", 3, 3, suffix)
    made = scored(source, tmp_path / "run")
    kept = decide(made)
    settings = ExportSettings(form, 4, shuffle=shuffle)
    deliver(made, tmp_path / "whole", settings)
    gone, changed = (source / f"000{suffix}"), (source / f"001{suffix}")
    before = gone.read_bytes(), changed.read_bytes()
    gone.unlink()
    if suffix == ".tar":
        flip(changed, 600)  # inside the first image
    else:
        changed.write_bytes(gzip.compress(tar_bytes([("x", b"y")])))
    exported = deliver(made, tmp_path / "out", settings, skip_missing=True)
    lost = {one.image_id: one.reason for one in exported.missing}
    assert {one for one in kept if one.startswith("000/")} < set(lost)
    assert "001/0003" in lost
    assert exported.samples + len(lost) == len(kept)
    assert all(str(tmp_path) not in reason for reason in lost.values())
    assert sorted(row["image_id"] for row in rows_of(tmp_path / "out")) == sorted(set(kept) - set(lost))
    listed = delivered(str(tmp_path / "out"))["missing"]
    assert {one["image_id"]: one["reason"] for one in listed} == lost
    first = contents(tmp_path / "out")
    deliver(made, tmp_path / "out", settings, skip_missing=True)
    assert contents(tmp_path / "out") == first
    gone.write_bytes(before[0])
    changed.write_bytes(before[1])
    assert deliver(made, tmp_path / "out", settings).missing == []
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


@pytest.mark.parametrize("form", ["webdataset", "folder", "parquet", "mds"])
@pytest.mark.parametrize("shuffle", ORDERS)
@pytest.mark.parametrize("suffix", [".tar", ".tar.gz"])
def test_gaps_that_cannot_be_filled_leave_everything(tmp_path, form, shuffle, suffix):
    """A source that comes back with other bytes of the same length ends the export, and the data set is as it was."""
    source = tars(tmp_path / "in", 2, 3, suffix)
    made = scored(source, tmp_path / "run")
    decide(made)
    settings = ExportSettings(form, 4, shuffle=shuffle)
    path = source / f"001{suffix}"
    before = path.read_bytes()
    path.unlink()
    deliver(made, tmp_path / "out", settings, skip_missing=True)
    whole = contents(tmp_path / "out")
    plain = gzip.decompress(before) if suffix == ".tar.gz" else before
    changed = plain.replace(image(5, 200 + 37 * 5), image(6, 200 + 37 * 5))
    assert changed != plain
    path.write_bytes(gzip.compress(changed, mtime=0) if suffix == ".tar.gz" else changed)
    for one in made[1]:
        for entry in one.entries:
            object.__setattr__(entry, "size", -1)  # as of a store that does not tell lengths
    with pytest.raises(InputError, match=r"0005\.jpg.*not the ones.*'001/0005'"):
        export(*made, str(tmp_path / "out"), settings)
    assert contents(tmp_path / "out") == whole
    path.write_bytes(before)
    assert deliver(made, tmp_path / "out", settings).missing == []


def test_a_shard_of_which_nothing_is_left_has_no_files(tmp_path):
    """Shard numbers stay those of the plan, so that the gap can be filled."""
    source = tars(tmp_path / "in", 3, 2)
    made = scored(source, tmp_path / "run")
    decide(made)
    (source / "001.tar").unlink()
    exported = deliver(made, tmp_path / "out", ExportSettings(shard_size=2), skip_missing=True)
    assert [one.name for one in exported.files[::2]] == ["00000.tar", "00002.tar"]
    assert len(exported.missing) == 2


def test_a_missing_sidecar(tmp_path):
    """A sample whose caption is gone is not exported without it."""
    source = loose(tmp_path / "in")
    made = scored(source, tmp_path / "run")
    decide(made)
    (source / "2.txt").unlink()
    with pytest.raises(InputError, match=r"2\.txt.*cannot be read any more.*'2\.jpg'"):
        export(*made, str(tmp_path / "out"), ExportSettings())
    exported = deliver(made, tmp_path / "out", ExportSettings(), skip_missing=True)
    assert [one.image_id for one in exported.missing] == ["2.jpg"]


def test_samples_that_do_not_add_up(tmp_path, monkeypatch):
    """Should a sample ever be lost on the way, the export says so instead of delivering."""
    made = scored(tars(tmp_path / "in", 1, 3), tmp_path / "run")
    decide(made)
    module = __import__("nemo_curator.runs.exporting.export", fromlist=["contents"])
    real = module.contents

    def one_short(*args, **options):
        found = list(real(*args, **options))
        return iter(found[:-1])

    monkeypatch.setattr(module, "contents", one_short)
    with pytest.raises(ConservationError, match="3 kept samples became 2 delivered"):
        export(*made, str(tmp_path / "out"), ExportSettings())


def test_a_shuffle_unpacks_each_compressed_shard_once(tmp_path, monkeypatch):
    """Samples of compressed shards in any order: each shard is opened once, and nothing is left open."""
    source = tars(tmp_path / "in", 5, 6, ".tar.gz")
    made = scored(source, tmp_path / "run")
    decide(made)
    module = __import__("nemo_curator.shards.fetch", fromlist=["open_shard"])
    opened, real = [], module.open_shard
    monkeypatch.setattr(module, "open_shard", lambda location: opened.append(location) or real(location))
    deliver(made, tmp_path / "out", ExportSettings(shard_size=7, shuffle=1))
    assert len(opened) == len(set(opened)) == 5
    assert not re.search("tmp-", " ".join(contents(tmp_path / "out")))


def test_a_shuffle_keeps_few_files_open(tmp_path, monkeypatch):
    """Many plain shards in any order: only so many are open at a time."""
    module = __import__("nemo_curator.shards.fetch", fromlist=["_OPEN"])
    monkeypatch.setattr(module, "_OPEN", 3)
    source = tars(tmp_path / "in", 12, 3)
    made = scored(source, tmp_path / "run")
    decide(made)
    most, real = [], module.MemberReader._reader
    monkeypatch.setattr(
        module.MemberReader, "_reader", lambda self, place: (real(self, place), most.append(len(self._open)))[0]
    )
    deliver(made, tmp_path / "out", ExportSettings(shard_size=9, shuffle=1))
    assert max(most) == 3
    assert len(rows_of(tmp_path / "out")) == 36


def test_bytes_that_changed_say_how_to_go_on(tmp_path):
    """What changed since is scored again with --rescore: --replace is about outputs."""
    source = loose(tmp_path / "in", 1)
    member = Member(name="0.jpg", extension="jpg", offset=0, length=300, sha256="0" * 64)
    with pytest.raises(InputError, match="not the ones") as caught:
        list(read_members(str(source / "0.jpg"), [member]))
    assert "--rescore" in str(caught.value)
    assert "--replace" not in str(caught.value)

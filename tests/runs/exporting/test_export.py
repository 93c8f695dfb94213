"""Export: names, manifests, and what is told on the way."""

from __future__ import annotations

import hashlib
import json
import tarfile

import pyarrow.parquet as pq
import pytest
from tests.runs.exporting.made import decide, deliver, image, scored, tars

from nemo_curator.runs.deciding import Funnel
from nemo_curator.runs.exporting import (
    MANIFEST,
    ExportSettings,
    delivered,
    delivered_files,
    export,
    exported_before,
    leftovers,
    shard_stem,
    write_manifest,
)
from nemo_curator.testing import make_tar

JPEGS = [image(number) for number in range(6)]
PNG = b"\x89PNG\r\n\x1a\n" + image(7)


def run_of(source, output, **settings):
    """All samples of a source, delivered."""
    made = scored(source, output.parent / "run")
    decide(made)
    return deliver(made, output, ExportSettings(**settings))


def names_in(path):
    """Names of the members of a tar."""
    with tarfile.open(path) as tar:
        return tar.getnames()


def rows_of(output):
    """All delivered rows."""
    return [row for path in sorted(output.glob("*.parquet")) for row in pq.read_table(path).to_pylist()]


def test_clashing_keys(tmp_path):
    """Of equal keys in one output shard the first stays, later ones get their shard in front, and a number at need."""
    for folder, tar, jpeg in (("a", "s", 0), ("b", "s", 1), ("c", "s", 2)):
        make_tar(tmp_path / "in" / folder / f"{tar}.tar", [("k.jpg", JPEGS[jpeg]), ("k.txt", folder.encode())])
    run_of(tmp_path / "in", tmp_path / "out")
    assert names_in(tmp_path / "out" / "00000.tar") == [
        "k.jpg", "k.txt", "s__k.jpg", "s__k.txt", "s__k__2.jpg", "s__k__2.txt"
    ]  # fmt: skip
    assert [row["original_key"] for row in rows_of(tmp_path / "out")] == ["k", "k", "k"]
    assert [row["image_id"] for row in rows_of(tmp_path / "out")] == ["a/s/k", "b/s/k", "c/s/k"]


def test_equal_keys_in_different_output_shards_stay(tmp_path):
    """A key is unique in its shard only; in another shard it may repeat, as webdataset allows."""
    for tar, jpeg in (("a", 0), ("b", 1)):
        make_tar(tmp_path / "in" / f"{tar}.tar", [("k.jpg", JPEGS[jpeg])])
    run_of(tmp_path / "in", tmp_path / "out", shard_size=1)
    assert [names_in(tmp_path / "out" / f"0000{at}.tar") for at in (0, 1)] == [["k.jpg"], ["k.jpg"]]


def test_loose_names(tmp_path):
    """Dots in a loose file's name become underscores, so that its key is whole; no extension becomes the format's."""
    folder = tmp_path / "in" / "v1.2"
    folder.mkdir(parents=True)
    (folder / "a.b.c.jpg").write_bytes(JPEGS[0])
    (folder / "a.b.c.txt").write_bytes(b"caption")
    (folder / "none").write_bytes(JPEGS[1])
    (folder / "UPPER.JPG").write_bytes(JPEGS[2])
    run_of(tmp_path / "in", tmp_path / "out")
    assert names_in(tmp_path / "out" / "00000.tar") == [
        "v1.2/UPPER.JPG", "v1.2/a_b_c.jpg", "v1.2/a_b_c.txt", "v1.2/none.jpeg"
    ]  # fmt: skip


def test_dots_that_make_two_loose_files_one_key(tmp_path):
    """Two loose files whose keys become the same are told apart, with their own bytes."""
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.b.jpg").write_bytes(JPEGS[0])
    (folder / "a_b.jpg").write_bytes(JPEGS[1])
    (folder / "a_b.png").write_bytes(PNG)
    run_of(folder, tmp_path / "out")
    names = names_in(tmp_path / "out" / "00000.tar")
    assert len({name.partition(".")[0] for name in names}) == 3
    assert len(names) == 3


def loose(folder):
    """Six loose images."""
    folder.mkdir()
    for number, jpeg in enumerate(JPEGS):
        (folder / f"{number}.jpg").write_bytes(jpeg)
    return folder


def test_manifest_tells_what_is_there(tmp_path):
    """The manifest has counts, and of every file its length and the hash of its bytes."""
    exported = run_of(loose(tmp_path / "in"), tmp_path / "out", shard_size=4)
    manifest = json.loads((tmp_path / "out" / MANIFEST).read_text())
    assert manifest["samples"] == 6 == exported.samples
    assert (manifest["format"], manifest["splits"], manifest["removed"]) == ("webdataset", {}, 0)
    assert manifest["export"] == exported.plan
    assert [file["samples"] for file in manifest["files"]] == [4, 4, 2, 2]
    for file in manifest["files"]:
        data = (tmp_path / "out" / file["name"]).read_bytes()
        assert (file["bytes"], file["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
    assert manifest["bytes"] == sum(file["bytes"] for file in manifest["files"] if file["name"].endswith(".tar"))
    assert delivered_files(str(tmp_path / "out")) == [file["name"] for file in manifest["files"]]
    before = exported_before(delivered(str(tmp_path / "out")))
    before.written = exported.written
    assert before == exported


def test_manifest_of_a_folder_hashes_its_files(tmp_path):
    """The hash of a folder is that of what `sha256sum` prints for its files, sorted by name."""
    run_of(tars(tmp_path / "in"), tmp_path / "out", format="folder")
    folder, _ = json.loads((tmp_path / "out" / MANIFEST).read_text())["files"]
    files = sorted((tmp_path / "out" / "00000").iterdir())
    lines = "".join(f"{hashlib.sha256(one.read_bytes()).hexdigest()}  {one.name}\n" for one in files)
    assert folder["name"] == "00000/"
    assert folder["sha256"] == hashlib.sha256(lines.encode()).hexdigest()
    assert folder["bytes"] == sum(one.stat().st_size for one in files)


def test_manifest_holds_no_place(tmp_path):
    """The same work anywhere gives the same manifest; of files that a recipe names only the base name is kept."""
    run_of(loose(tmp_path / "in"), tmp_path / "one" / "out")
    run_of(tmp_path / "in", tmp_path / "two" / "out")
    one, two = ((tmp_path / place / "out" / MANIFEST).read_text() for place in ("one", "two"))
    assert one == two
    assert str(tmp_path) not in one
    assert json.loads(one)["recipe"]["allow"] == "allow.txt"


def test_manifest_of_names_that_are_no_text(tmp_path):
    """What somebody put into a recipe or list does not keep the manifest from being written and read."""
    exported = run_of(loose(tmp_path / "in"), tmp_path / "out")
    lists = {"deny": {"name": "n\udcff.txt", "sha256": "0", "ids": 1}}
    options = {"recipe": {}, "fingerprint": "f", "versions": {}, "funnel": Funnel(), "exported": exported}
    write_manifest(str(tmp_path / "out"), lists=lists, **options)
    assert delivered(str(tmp_path / "out"))["lists"]["deny"]["ids"] == 1


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", "3", "[" * 100_000, '{"manifest": "other"}', '{"manifest": 3, "files": 1}']
)
def test_manifests_of_others(tmp_path, text):
    """A `manifest.json` of somebody else is none of ours, whatever is in it."""
    (tmp_path / "manifest.json").write_text(text)
    assert delivered_files(str(tmp_path)) is None


def test_export_stays_inside_the_output(tmp_path):
    """A member whose name climbs out of its folder leaves under that name inside a tar, and writes no file outside."""
    make_tar(tmp_path / "in" / "a.tar", [("../../evil.jpg", JPEGS[0]), ("/abs.jpg", JPEGS[1])])
    run_of(tmp_path / "in", tmp_path / "deep" / "er" / "out")
    assert not list(tmp_path.rglob("evil*"))
    assert sorted(path.name for path in (tmp_path / "deep" / "er").iterdir()) == ["out", "run"]


@pytest.mark.parametrize("form", ["webdataset", "folder", "parquet", "mds"])
def test_progress_counts_every_sample(tmp_path, form):
    """Whoever watches an export is told of every sample once, of those that were there already too."""
    made = scored(loose(tmp_path / "in"), tmp_path / "run")
    decide(made)
    for _ in range(2):
        told = []
        export(*made, str(tmp_path / "out"), ExportSettings(form, 4), progress=told.append)
        assert sum(told) == 6


def test_remote_output_and_source(tmp_path):
    """Source and data set may be behind URLs."""
    from fsspec.implementations.memory import MemoryFileSystem

    from nemo_curator import storage
    from nemo_curator.runs.exporting import verify

    for path in sorted(tars(tmp_path / "in").iterdir()):
        with storage.write_atomic(f"memory://in/{path.name}") as file:
            file.write(path.read_bytes())
    made = scored("memory://in", tmp_path / "run")
    decide(made)
    for form in ("webdataset", "folder", "parquet", "mds"):
        exported = deliver(made, f"memory://out-{form}", ExportSettings(form, 4, shuffle=1))
        assert exported.samples == 15
        assert export(*made, f"memory://out-{form}", ExportSettings(form, 4, shuffle=1)).written == 0
        found = verify(f"memory://out-{form}", made[0])
        assert (found.problems, found.compared) == ((), 15)
    MemoryFileSystem.store.clear()


@pytest.mark.parametrize(
    ("path", "stem"),
    [
        ("00000.tar", "00000"), ("100000.parquet", "100000"), ("train/00000.tar", "train/00000"),
        ("00000/a/b.jpg", "00000"), ("val-2/00001/", "val-2/00001"), ("0000.tar", None), ("00000.txt", None),
        ("a/b/00000.tar", None), ("../00000.tar", None), ("run/parts/0123456789abcdef.parquet", None), ("00000", None),
    ],
)  # fmt: skip
def test_names_of_ours(path, stem):
    """Shards are known by their names, at the top and in splits."""
    assert shard_stem(path) == stem


def test_leftovers():
    """What has a name of ours and is in none of the delivered files and folders is left over."""
    paths = ["00000.tar", "00001.tar", "00001.parquet", "00002/a.jpg", "00003/b.jpg", "mine.txt", "run/run.json"]
    assert leftovers(paths, ["00000.tar", "00001.parquet", "00002/"]) == ["00001.tar", "00003/b.jpg"]

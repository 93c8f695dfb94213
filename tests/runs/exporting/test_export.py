"""Export: names, shards, and what happens when a source is not what was scored."""

from __future__ import annotations

import gzip
import hashlib
import json
import tarfile

import pyarrow.parquet as pq
import pytest

from nemo_curator.errors import InputError
from nemo_curator.pipeline.curate import curate
from nemo_curator.planning.recipe import Recipe
from nemo_curator.runs.deciding import Policy, decide
from nemo_curator.runs.exporting import delivered_files, export
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.partitions import read_partitions
from nemo_curator.testing import encoded, make_tar, photo, tar_bytes

JPEGS = [encoded(photo(number)) for number in range(6)]


def run_of(source, output, **settings):
    """A run over a folder, header scores only, in this process."""
    recipe = Recipe(scores=["header"], rules={}, **settings)
    return curate([str(source)], str(output), recipe, workers=0)


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
    run_of(tmp_path / "in", tmp_path / "out", export={"shard_size": 1})
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
    (folder / "a_b.png").write_bytes(encoded(photo(9), "PNG"))
    run_of(folder, tmp_path / "out")
    names = names_in(tmp_path / "out" / "00000.tar")
    assert len({name.partition(".")[0] for name in names}) == 3
    assert len(names) == 3


@pytest.mark.parametrize("suffix", [".tar", ".tar.gz", ".tar.zst"])
def test_compressed_shards(tmp_path, suffix):
    """Members of a compressed shard leave with the same bytes as those of a plain one."""
    make_tar(tmp_path / "in" / f"a{suffix}", [("x.jpg", JPEGS[0]), ("x.txt", b"t"), ("y.jpg", JPEGS[1])])
    run_of(tmp_path / "in", tmp_path / "out")
    with tarfile.open(tmp_path / "out" / "00000.tar") as tar:
        assert [tar.extractfile(name).read() for name in ("x.jpg", "x.txt", "y.jpg")] == [JPEGS[0], b"t", JPEGS[1]]


def _again(output, shard_size=1000):
    """Decide and export once more from what is in the run directory."""
    run = RunDirectory(str(output / "run"))
    partitions = read_partitions(run)
    decide(run, [one.id for one in partitions], Policy())
    return export(run, partitions, str(output), shard_size)


@pytest.mark.parametrize("suffix", [".tar", ".tar.gz"])
def test_source_that_changed_is_named_and_not_exported(tmp_path, suffix):
    """Bytes that are not those that were scored are an error that names the member; no half shard appears."""
    source = make_tar(tmp_path / "in" / f"a{suffix}", [("x.jpg", JPEGS[0]), ("y.jpg", JPEGS[1])])
    run_of(tmp_path / "in", tmp_path / "out")
    for path in (tmp_path / "out").glob("0*"):
        path.unlink()
    changed = tar_bytes([("x.jpg", JPEGS[0]), ("y.jpg", JPEGS[1][:-1] + b"!")])
    source.write_bytes(gzip.compress(changed) if suffix == ".tar.gz" else changed)
    with pytest.raises(InputError, match=r"y\.jpg.*not the ones that were read and scored"):
        _again(tmp_path / "out")
    assert not list((tmp_path / "out").glob("0*"))


def test_source_that_vanished_is_named(tmp_path):
    """A source that is gone between scoring and export is an error that names it; whole shards before it stay."""
    for name, jpeg in (("a.jpg", 0), ("b.jpg", 1)):
        (tmp_path / "in").mkdir(exist_ok=True)
        (tmp_path / "in" / name).write_bytes(JPEGS[jpeg])
    run_of(tmp_path / "in", tmp_path / "out")
    (tmp_path / "in" / "b.jpg").unlink()
    for path in (tmp_path / "out").glob("0*"):
        path.unlink()
    with pytest.raises(InputError, match=r"b\.jpg.*cannot be read any more"):
        _again(tmp_path / "out", shard_size=1)
    assert sorted(path.name for path in (tmp_path / "out").glob("0*")) == ["00000.parquet", "00000.tar"]


def test_manifest_tells_what_is_there(tmp_path):
    """The manifest has counts, the recipe, and of every file its length and the hash of its bytes."""
    for number, jpeg in enumerate(JPEGS):
        (tmp_path / "in").mkdir(exist_ok=True)
        (tmp_path / "in" / f"{number}.jpg").write_bytes(jpeg)
    summary = run_of(tmp_path / "in", tmp_path / "out", export={"shard_size": 4})
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["samples"] == 6 == summary.exported.samples
    assert manifest["recipe"]["export"]["shard_size"] == 4
    assert [file["samples"] for file in manifest["files"]] == [4, 4, 2, 2]
    for file in manifest["files"]:
        data = (tmp_path / "out" / file["name"]).read_bytes()
        assert (file["bytes"], file["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
    assert manifest["bytes"] == sum(file["bytes"] for file in manifest["files"] if file["name"].endswith(".tar"))
    assert delivered_files(str(tmp_path / "out")) == [file["name"] for file in manifest["files"]]


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
    assert sorted(path.name for path in (tmp_path / "deep" / "er").iterdir()) == ["out"]


def test_progress_counts_every_sample(tmp_path):
    """Whoever watches an export is told of every sample once."""
    (tmp_path / "in").mkdir()
    for number, jpeg in enumerate(JPEGS):
        (tmp_path / "in" / f"{number}.jpg").write_bytes(jpeg)
    run_of(tmp_path / "in", tmp_path / "out")
    run, told = RunDirectory(str(tmp_path / "out" / "run")), []
    export(run, read_partitions(run), str(tmp_path / "out"), 4, told.append)
    assert sum(told) == 6

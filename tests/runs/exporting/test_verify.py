"""Verifying a delivered data set: every kind of tampering is told, and nothing hostile ends in a traceback."""

from __future__ import annotations

import json
import os
import shutil
import tarfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.runs.exporting.made import contents, decide, deliver, digest, image, scored, tars

from nemo_curator.errors import MissingInputError
from nemo_curator.runs.exporting import MANIFEST, ExportSettings, verify
from nemo_curator.runs.exporting.findings import MOST
from nemo_curator.testing import make_tar

FORMATS = ("webdataset", "folder", "parquet", "mds")


@pytest.fixture(scope="module", params=FORMATS)
def whole(request, tmp_path_factory):
    """(a delivered data set, its run)."""
    place = tmp_path_factory.mktemp("whole")
    made = scored(tars(place / "in", 2, 3), place / "run")
    decide(made, lambda at, _: ("keep", "val" if at == 5 else "train"))
    deliver(made, place / "out", ExportSettings(request.param, 3))
    return place / "out", made[0]


def manifest_of(output):
    """The manifest."""
    return json.loads((output / MANIFEST).read_text())


def put_manifest(output, manifest):
    """Replace the manifest."""
    (output / MANIFEST).write_text(json.dumps(manifest))


def listed_again(output):
    """Make the manifest list the files as they are now, as a forger would."""
    manifest = manifest_of(output)
    for one in manifest["files"]:
        path = output / one["name"]
        if path.is_file():
            one |= {"sha256": digest(path.read_bytes()), "bytes": path.stat().st_size}
    bodies = [one for one in manifest["files"] if manifest["format"] == "parquet" or "parquet" not in one["name"]]
    put_manifest(output, manifest | {"bytes": sum(one["bytes"] for one in bodies)})


def test_a_whole_data_set(whole):
    """Nothing is wrong, everything is counted, and every sample's source is compared."""
    output, run = whole
    told = []
    found = verify(str(output), run, told.append)
    assert (found.ok, found.problems, found.source_problems) == (True, (), ())
    assert (found.shards, found.samples, found.compared, sum(told)) == (3, 6, 6, 6)
    assert verify(str(output)).compared == 0


def test_every_file_is_looked_at(whole, tmp_path):
    """A flipped byte, a file that is gone, longer or empty: each is told, for each file of the data set."""
    output, _ = whole
    for name, data in contents(output).items():
        if name == MANIFEST:
            continue
        middle = len(data) // 2
        for changed in (None, b"", data + b"x", data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]):
            copy = tmp_path / "copy"
            shutil.copytree(output, copy)
            if changed is None:
                (copy / name).unlink()
            else:
                (copy / name).write_bytes(changed)
            found = verify(str(copy))
            assert not found.ok
            assert any(name.split(".")[0].split("/0")[0] in problem for problem in found.problems), name
            shutil.rmtree(copy)


@pytest.mark.parametrize(
    "name", ["00007.tar", "train/00009.parquet", "val/00000/x.jpg", "00001/y.jpg", "other/00000.tar"]
)
def test_a_file_too_many(whole, tmp_path, name):
    """A file under a name of ours that the manifest does not list is told; other people's files are not."""
    shutil.copytree(whole[0], tmp_path / "copy")
    (tmp_path / "copy" / "README.md").write_text("mine")
    assert verify(str(tmp_path / "copy")).ok
    path = tmp_path / "copy" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    (problem,) = verify(str(tmp_path / "copy")).problems
    assert path.name in problem


@pytest.mark.parametrize(
    ("key", "value"),
    [("samples", 7), ("bytes", 1), ("splits", {"train": 6}), ("splits", 3), ("samples", None), ("removing", {})],
)
def test_counts(whole, tmp_path, key, value):
    """Counts of the manifest that are not those of its files are told, as is a removal that was interrupted."""
    shutil.copytree(whole[0], tmp_path / "copy")
    put_manifest(tmp_path / "copy", manifest_of(tmp_path / "copy") | {key: value})
    assert any(key in problem or "interrupted" in problem for problem in verify(str(tmp_path / "copy")).problems)


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[]", "3", "[" * 100_000, '{"manifest": "imagecurator-manifest-1", "files": [3]}',
     '{"manifest": "imagecurator-manifest-1", "files": {"a": 1}}',
     '{"manifest": "imagecurator-manifest-1", "format": ["x"], "files": []}',
     '{"manifest": "imagecurator-manifest-1", "format": "folder", "files": [{"name": "00000/"}]}',
     '{"manifest": "imagecurator-manifest-1", "format": "folder", "splits": [], "files": []}'],
)  # fmt: skip
def test_hostile_manifests(tmp_path, text):
    """A manifest that is none, or makes no sense, is a problem and nothing worse."""
    (tmp_path / MANIFEST).write_text(text)
    assert not verify(str(tmp_path)).ok


def test_nothing_there(tmp_path):
    """A path that does not exist, and a folder without anything of ours, are the caller's mistake."""
    with pytest.raises(MissingInputError, match="there is no data set"):
        verify(str(tmp_path / "no"))
    (tmp_path / "photo.jpg").touch()
    with pytest.raises(MissingInputError, match=r"this is no data set: it holds no manifest\.json"):
        verify(str(tmp_path))
    (tmp_path / "00000.tar").touch()
    (problem,) = verify(str(tmp_path)).problems
    assert "missing" in problem


@pytest.mark.parametrize("name", ["../secret.tar", "/etc/passwd", "a/b/00000.tar", "run.json", "00000", ".."])
def test_manifests_that_point_elsewhere(whole, tmp_path, name):
    """An entry that is none of our names is told and not opened."""
    output = tmp_path / "copy"
    shutil.copytree(whole[0], output)
    (tmp_path / "secret.tar").write_bytes(b"secret")
    manifest = manifest_of(output)
    manifest["files"].append({"name": name, "sha256": digest(b"secret"), "bytes": 6, "samples": 0})
    put_manifest(output, manifest)
    (problem,) = verify(str(output)).problems
    assert "no entry of ours" in problem


def test_links_that_lead_out(tmp_path):
    """A file that is a link to the outside is not followed, even if the bytes would fit."""
    made = scored(tars(tmp_path / "in", 1, 2), tmp_path / "run")
    decide(made)
    for form, name in (("webdataset", "00000.tar"), ("folder", "00000/0000.jpg")):
        output = tmp_path / form
        deliver(made, output, ExportSettings(form))
        os.replace(output / name, tmp_path / f"elsewhere-{form}")  # noqa: PTH105
        (output / name).symlink_to(tmp_path / f"elsewhere-{form}")
        assert any("leads out" in problem for problem in verify(str(output)).problems)


def tar_of(tmp_path):
    """A delivered data set of one tar, and that tar's members."""
    made = scored(tars(tmp_path / "in", 1, 2), tmp_path / "run")
    decide(made)
    deliver(made, tmp_path / "out", ExportSettings())
    with tarfile.open(tmp_path / "out" / "00000.tar") as tar:
        return tmp_path / "out", [(name, tar.extractfile(name).read()) for name in tar.getnames()]


@pytest.mark.parametrize("forgery", ["changed", "extra", "lacking", "twice", "link", "cut", "compressed"])
def test_a_tar_that_a_forger_listed(tmp_path, forgery):
    """Even where the manifest lists the tar as it is, its members are held against the rows."""
    output, members = tar_of(tmp_path)
    place = output / "00000.tar"
    (name, data), *rest = members
    forged = {
        "changed": [(name, data[:-1] + b"!"), *rest],
        "extra": [*members, ("z.jpg", b"z")],
        "lacking": rest,
        "twice": [*members, (name, data)],
    }
    if forgery in forged:
        make_tar(place, forged[forgery])
    elif forgery == "link":
        with tarfile.open(place, "a") as tar:
            link = tarfile.TarInfo("link.jpg")
            link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
            tar.addfile(link)
    elif forgery == "cut":
        place.write_bytes(place.read_bytes()[:1200])
    else:
        make_tar(tmp_path / "bomb.tar.gz", [(name, b"\0" * 10_000_000)])
        os.replace(tmp_path / "bomb.tar.gz", place)  # noqa: PTH105
    listed_again(output)
    found = verify(str(output))
    assert found.problem_count >= 1
    assert all("00000.tar" in problem for problem in found.problems)


def test_a_parquet_that_a_forger_listed(tmp_path):
    """Bytes in a Parquet are held against the hashes in the same rows; a file that is none is a problem."""
    made = scored(tars(tmp_path / "in", 1, 3), tmp_path / "run")
    decide(made)
    output = tmp_path / "out"
    deliver(made, output, ExportSettings("parquet"))
    place = output / "00000.parquet"
    rows = pq.read_table(place)
    images = rows["image"].to_pylist()
    images[1]["bytes"] = image(9)
    pq.write_table(rows.set_column(rows.column_names.index("image"), "image", [images]), place)
    listed_again(output)
    (problem,) = verify(str(output)).problems
    assert "0001.jpg" in problem
    sidecars = [[], *rows["sidecars"].to_pylist()[1:]]
    pq.write_table(rows.set_column(rows.column_names.index("sidecars"), "sidecars", [sidecars]), place)
    listed_again(output)
    assert any("other files than it lists" in problem for problem in verify(str(output)).problems)
    for hostile in (b"PAR1" + b"\xff" * 100 + b"PAR1", b"", pa.py_buffer(b"x" * 50).to_pybytes()):
        place.write_bytes(hostile)
        listed_again(output)
        assert any("cannot be read" in problem for problem in verify(str(output)).problems)
    pq.write_table(pa.table({"image_id": [1, 2, 3]}), place)
    listed_again(output)
    assert not verify(str(output)).ok


def test_no_sample_twice(tmp_path):
    """A shard that is there under two names has each of its samples twice."""
    output, _ = tar_of(tmp_path)
    manifest = manifest_of(output)
    for end in (".tar", ".parquet"):
        shutil.copy(output / f"00000{end}", output / f"00001{end}")
    again = [{**one, "name": one["name"].replace("00000", "00001")} for one in manifest["files"]]
    manifest |= {"files": manifest["files"] + again, "samples": 4, "bytes": manifest["bytes"] * 2}
    put_manifest(output, manifest)
    assert set(verify(str(output)).problems) == {f"000/000{at}: the sample is there twice" for at in (0, 1)}


def test_many_problems_are_counted(tmp_path):
    """All problems are counted; the first hundred are told."""
    output, _ = tar_of(tmp_path)
    for number in range(MOST + 20):
        (output / f"{number + 1:05d}.tar").write_bytes(b"x")
    found = verify(str(output))
    assert (len(found.problems), found.problem_count) == (MOST, MOST + 20)


def test_sources_that_changed_are_no_fault_of_the_data_set(tmp_path):
    """A source that is gone or changed since is told apart from problems of the data set."""
    source = tars(tmp_path / "in", 3, 2)
    made = scored(source, tmp_path / "run")
    decide(made)
    deliver(made, tmp_path / "out", ExportSettings())
    (source / "000.tar").unlink()
    data = bytearray((source / "001.tar").read_bytes())
    data[600] ^= 1
    (source / "001.tar").write_bytes(data)
    found = verify(str(tmp_path / "out"), made[0])
    assert (found.ok, found.compared, found.source_problem_count) == (True, 3, 3)
    assert any("000/0000" in one and "cannot be read" in one for one in found.source_problems)
    assert any("001/0002" in one and "not the ones" in one for one in found.source_problems)


def test_a_run_that_was_scored_again(tmp_path):
    """Delivered samples that the run does not know any more with these bytes are counted."""
    made = scored(tars(tmp_path / "in", 2, 2), tmp_path / "run")
    decide(made)
    deliver(made, tmp_path / "out", ExportSettings())
    shutil.rmtree(tmp_path / "in")
    make_tar(tmp_path / "in" / "000.tar", [("0000.jpg", image(77))])
    make_tar(tmp_path / "in" / "001.tar", [("0003.jpg", image(78))])
    other = scored(tmp_path / "in", tmp_path / "run2")
    found = verify(str(tmp_path / "out"), other[0])
    assert found.source_problems == ("4 delivered samples are not in the run, or with other bytes",)
    assert found.ok

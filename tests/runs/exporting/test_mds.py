"""MDS shards as they are delivered: what stands in their columns, how they are found, and that others read them."""

from __future__ import annotations

import json
import math
import re
import shutil
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest
from tests.runs.exporting.made import contents, decide, deliver, image, rows_of, scored, tars
from tests.runs.exporting.mds_by_the_book import files_of, read_mds
from tests.runs.exporting.test_verify import listed_again

from nemo_curator.errors import VerificationError
from nemo_curator.runs.deciding import IdList
from nemo_curator.runs.exporting import MANIFEST, ExportSettings, delivered, remove_samples, verify
from nemo_curator.runs.exporting.mds import mds_columns, mds_values
from nemo_curator.runs.exporting.mds_index import indexes_of, is_index
from nemo_curator.testing import make_tar


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A data set of two splits, with embeddings."""
    place = tmp_path_factory.mktemp("mds")
    made = scored(tars(place / "in", 2, 4), place / "run", embeddings=True)
    decide(made, lambda at, _: ("keep", "val" if at in (2, 6) else "train"))
    deliver(made, place / "out", ExportSettings("mds", 4))
    return place / "out"


def rows(**columns):
    """One row of a delivered Parquet."""
    fixed = {
        "image_id": ["a/0"],
        "files": [["0.txt", "0.jpg", "0.json"]],
        "key": ["0"],
        "members": pa.array([[]], pa.list_(pa.struct([("name", pa.string())]))),
        "primary": pa.array([1], pa.int32()),
        "width": pa.array([640], pa.int64()),
        "height": pa.array([480], pa.int64()),
        "caption": ["näive"],
    }
    return pa.table({**fixed, **columns})


def encoded(table):
    """Column to its encoding and its one value."""
    (values,) = mds_values(table, [[b"text", b"\xff\xd8image", b"{}"]])
    columns = mds_columns(table.schema)
    return {one.name: (one.encoding, value) for one, value in zip(columns, values, strict=True)}


def test_what_stands_in_the_columns():
    """Bytes as they are, texts, sizes and scores as values of their own, all else in `row`, in the columns' order."""
    found = encoded(rows(sharpness=[0.5], faces=pa.array([2], pa.int32()), small=pa.array([0.25], pa.float32())))
    assert list(found) == sorted(found)
    assert found["image"] == ("bytes", b"\xff\xd8image")
    assert found["sidecars"] == ("bytes", b"text{}")
    assert json.loads(found["files"][1]) == [
        {"name": "0.jpg", "bytes": 7},
        {"name": "0.txt", "bytes": 4},
        {"name": "0.json", "bytes": 2},
    ]
    assert found["caption"] == ("str", "näive".encode())
    assert found["width"] == ("int", (640).to_bytes(8, "little"))
    assert found["sharpness"] == ("float64", np.float64(0.5).tobytes())
    assert found["small"] == ("float32", np.float32(0.25).tobytes())
    assert json.loads(found["row"][1]) == {"members": [], "primary": 1, "width": 640, "height": 480, "faces": 2}


def test_what_is_not_known():
    """MDS has no NULL: an empty caption, a size of 0, NaN for scores and embeddings, and null in `row`."""
    table = rows(
        caption=pa.array([None], pa.string()),
        width=pa.array([None], pa.int64()),
        sharpness=pa.array([None], pa.float64()),
        half=pa.array([None], pa.float16()),
        embedding=pa.array([None], pa.list_(pa.float16(), 3)),
        label=pa.array([None], pa.string()),
        primary=pa.array([None], pa.int32()),
    )
    found = encoded(table)
    assert found["caption"] == ("str", b"")
    assert found["width"] == ("int", bytes(8))
    assert math.isnan(np.frombuffer(found["sharpness"][1], "<f8")[0])
    assert (found["half"][0], len(found["half"][1])) == ("float16", 2)
    assert found["embedding"][0] == "ndarray:float16:3"
    assert np.isnan(np.frombuffer(found["embedding"][1], "<f2")).tolist() == [True] * 3
    assert json.loads(found["row"][1]) == {"members": [], "primary": None, "width": None, "height": 480, "label": None}
    assert (found["image"][1], found["sidecars"][1]) == (b"", b"text\xff\xd8image{}")


def test_columns_with_taken_names_go_into_the_row():
    """A score that is called as a column of ours does not take its place, and is not lost."""
    found = encoded(rows(image=[0.5], row=[1.5], sidecars=["x"]))
    assert found["image"] == ("bytes", b"\xff\xd8image")
    own = json.loads(found["row"][1])
    assert (own["image"], own["row"], own["sidecars"]) == (0.5, 1.5, "x")


def test_values_of_many_chunks():
    """Slices and chunks of a table are the same values as the table."""
    one, two = (
        rows(embedding=pa.array([[1, 2]], pa.list_(pa.float16(), 2))),
        rows(embedding=pa.array([None], pa.list_(pa.float16(), 2))),
    )
    both = pa.concat_tables([one, two])
    given = [[b"a", b"b", b"c"]] * 2
    together = list(mds_values(both, given))
    assert together == [next(mds_values(both.slice(at, 1), given[:1])) for at in (0, 1)]


def test_sizes_are_those_of_the_image_that_is_there():
    """Where images were made anew, the columns are about the new one, and `row` keeps the old one's size."""
    found = encoded(rows(delivered_width=pa.array([320], pa.int64()), delivered_height=pa.array([240], pa.int64())))
    assert (found["width"][1], found["height"][1]) == ((320).to_bytes(8, "little"), (240).to_bytes(8, "little"))
    own = json.loads(found["row"][1])
    assert (own["width"], own["height"], own["delivered_width"]) == (640, 480, 320)


def test_a_reader_by_the_book(whole):
    """By the index alone, every sample of a split is found with its bytes, in the order of the rows."""
    for split, count in (("train", 6), ("val", 2)):
        samples = read_mds(whole / split)
        expected = [row for row in rows_of(whole) if row["split"] == split]
        assert [one["image_id"] for one in samples] == [row["image_id"] for row in expected]
        assert len(samples) == count
        for sample, row in zip(samples, expected, strict=True):
            assert sample["image"] == image(int(row["key"]), 200 + 37 * int(row["key"]))
            assert list(files_of(sample)) == row["files"]
            assert sample["embedding"].tolist() == row["embedding"]
            assert sample["sharpness"] == row["sharpness"]
            assert sample["row"]["members"] == row["members"]


def test_a_small_data_set(tmp_path):
    """All that one sample and the index say, but for the columns that grow with the scores."""
    make_tar(tmp_path / "in" / "0.tar", [("a.jpg", image(1, 20)), ("a.txt", b"hello")])
    made = scored(tmp_path / "in", tmp_path / "run")
    decide(made)
    deliver(made, tmp_path / "out", ExportSettings("mds"))
    (sample,) = read_mds(tmp_path / "out")
    assert {**sample, "row": None} == {
        "caption": "",
        "files": [{"name": "a.jpg", "bytes": 31}, {"name": "a.txt", "bytes": 5}],
        "height": 0,
        "image": image(1, 20),
        "image_id": "0/a",
        "key": "a",
        "row": None,
        "sharpness": 0.0,
        "sidecars": b"hello",
        "width": 0,
    }
    index = json.loads((tmp_path / "out" / "index.json").read_text())
    assert list(index["shards"][0]) == sorted(index["shards"][0])
    assert {name: value for name, value in index["shards"][0].items() if not name.startswith("column")} == {
        "compression": None,
        "format": "mds",
        "hashes": ["sha256"],
        "raw_data": index["shards"][0]["raw_data"],
        "samples": 1,
        "size_limit": None,
        "version": 2,
        "zip_data": None,
    }


def test_the_manifest_lists_the_indexes(whole):
    """Each with its hash and length, and `verify` finds them as they are."""
    manifest = delivered(str(whole))
    assert [(one["name"], one["samples"]) for one in manifest["indexes"]] == [
        ("train/index.json", 6),
        ("val/index.json", 2),
    ]
    found = verify(str(whole))
    assert (found.ok, found.problems, found.samples) == (True, (), 8)


def test_no_other_format_has_indexes(tmp_path):
    """The manifest of another format is what it was."""
    made = scored(tars(tmp_path / "in", 1, 2), tmp_path / "run")
    decide(made)
    deliver(made, tmp_path / "out", ExportSettings())
    assert "indexes" not in delivered(str(tmp_path / "out"))
    assert not (tmp_path / "out" / "index.json").exists()


def test_shards_are_cut_before_places_run_out(tmp_path, monkeypatch):
    """However many samples a shard may hold, its members stay below what 32 bits can say; other formats have none."""
    settings_module = __import__("nemo_curator.runs.exporting.settings", fromlist=["_MOST_IN_MDS"])
    monkeypatch.setattr(settings_module, "_MOST_IN_MDS", 700)
    made = scored(tars(tmp_path / "in", 1, 5), tmp_path / "run")
    decide(made)
    for form, several in (("mds", True), ("webdataset", False)):
        exported = deliver(made, tmp_path / form, ExportSettings(form))
        assert (len(exported.files) > 2) == several
    assert ExportSettings("mds", None, 10_000).most_bytes == 700
    assert ExportSettings("mds", None, 100).most_bytes == 100
    assert len(read_mds(tmp_path / "mds")) == 5


@pytest.mark.parametrize("change", ["flip", "gone", "other", "unlisted", "link"])
def test_verify_looks_at_the_index(whole, tmp_path, change):
    """An index that is changed, gone, not listed or elsewhere is told by name."""
    output = tmp_path / "copy"
    shutil.copytree(whole, output)
    index = output / "train" / "index.json"
    if change == "flip":
        index.write_text(index.read_text().replace('"samples": 4', '"samples": 5'))
    elif change == "gone":
        index.unlink()
    elif change == "other":
        shutil.copy(output / "val" / "index.json", index)
    elif change == "link":
        shutil.move(index, tmp_path / "elsewhere.json")
        index.symlink_to(tmp_path / "elsewhere.json")
    else:
        manifest = json.loads((output / MANIFEST).read_text())
        manifest["indexes"] = manifest["indexes"][1:]
        (output / MANIFEST).write_text(json.dumps(manifest))
    found = verify(str(output))
    assert not found.ok
    assert any("index" in problem for problem in found.problems)


@pytest.mark.parametrize("listed", ["a", 1, [1], [{}], [{"name": 1}], [{"name": "../../etc/index.json"}], None])
def test_hostile_lists_of_indexes(whole, tmp_path, listed):
    """Whatever the manifest says of indexes is a problem that is told."""
    output = tmp_path / "copy"
    shutil.copytree(whole, output)
    manifest = json.loads((output / MANIFEST).read_text())
    (output / MANIFEST).write_text(json.dumps({**manifest, "indexes": listed}))
    assert not verify(str(output)).ok
    with pytest.raises(VerificationError):
        remove_samples(str(output), IdList("", pa.array(["000/0000"]), ""))


def test_what_is_an_index():
    """Names only, in the data set or in one folder of it."""
    assert [is_index(one) for one in ("index.json", "train/index.json")] == [True, True]
    assert not any(map(is_index, ("a/b/index.json", "../index.json", "/index.json", "index.jsonl", "00000/x.json")))


def test_verify_compares_samples_with_their_rows(whole, tmp_path):
    """A shard and an index that a forger made fit together are still told from the rows: bytes, values, order."""
    for at, (old, new, words) in enumerate(
        (
            (b"caption 1", b"caption 2", "does not|do not have the hash"),
            (b"000/0001", b"000/0009", "image_id of sample"),
            (b"0001.txt", b"0009.txt", "other files"),
            (b'"sharpness"', b'"sharqness"', "columns are not those"),
        )
    ):
        output = tmp_path / str(at)
        shutil.copytree(whole, output)
        shard = output / "train" / "00000.mds"
        data = shard.read_bytes()
        assert old in data
        shard.write_bytes(data.replace(old, new))
        listed_again(output)
        for name, text in indexes_of_manifest(output).items():
            (output / name).write_bytes(text)
        found = verify(str(output))
        assert any(re.search(words, problem) for problem in found.problems), found.problems


def indexes_of_manifest(output):
    """The indexes as they would be of the files that the manifest lists."""
    from nemo_curator.runs.exporting.manifest import exported_before

    return indexes_of(str(output), exported_before(delivered(str(output))).files)


def test_removing_the_last_sample_of_a_split_removes_its_index(whole, tmp_path):
    """The index follows what is taken out, and goes with its last shard."""
    output = tmp_path / "copy"
    shutil.copytree(whole, output)
    removal = remove_samples(str(output), IdList("", pa.array(["000/0002", "000/0001", "001/0006"]), ""))
    assert (removal.removed, removal.emptied) == (3, 1)
    assert sorted(contents(output)) == sorted(
        [MANIFEST, "train/index.json", *(f"train/0000{at}.{end}" for at in (0, 1) for end in ("mds", "parquet"))]
    )
    assert [one["image_id"] for one in read_mds(output / "train")] == [
        "000/0000",
        "000/0003",
        "001/0004",
        "001/0005",
        "001/0007",
    ]
    assert verify(str(output)).ok


def test_streaming_reads_it(whole, tmp_path):
    """mosaicml-streaming itself reads a split, with every hash checked; it skips where that is not installed."""
    pytest.importorskip("streaming", reason="mosaicml-streaming is not installed: it needs another NumPy than we do")
    program = (
        "import json, sys\n"
        "from streaming import StreamingDataset\n"
        "data = StreamingDataset(local=sys.argv[1], split='train', batch_size=1, validate_hash='sha256')\n"
        "print(json.dumps([[one['image_id'], one['image'].hex(), float(one['sharpness'])] for one in data]))\n"
    )
    copy = tmp_path / "copy"
    shutil.copytree(whole, copy)
    done = subprocess.run([sys.executable, "-c", program, str(copy)], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    expected = [row for row in rows_of(whole) if row["split"] == "train"]
    assert [(one[0], one[2]) for one in found] == [(row["image_id"], row["sharpness"]) for row in expected]
    assert [bytes.fromhex(one[1]) for one in found] == [
        image(int(row["key"]), 200 + 37 * int(row["key"])) for row in expected
    ]

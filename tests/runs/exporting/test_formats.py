"""The formats: the same samples, each with its own bytes, names and rows."""

from __future__ import annotations

import io
import json
import tarfile
import warnings

import numpy as np
import pyarrow.parquet as pq
import pytest
from tests.runs.exporting.made import contents, decide, deliver, digest, image, rows_of, scored, tars
from tests.runs.exporting.mds_by_the_book import files_of, read_mds

from nemo_curator.errors import InputError
from nemo_curator.kernels.source import Member, Source
from nemo_curator.runs.exporting import ExportSettings, plan_export
from nemo_curator.runs.exporting.names import ShardNames
from nemo_curator.runs.exporting.parquet import IMAGE, SIDECARS
from nemo_curator.runs.exporting.shards import is_inside, refuse_outside
from nemo_curator.runs.parts import write_embeddings
from nemo_curator.testing import make_tar

FORMATS = ("webdataset", "folder", "parquet", "mds")


def member_bytes(output, row):
    """The bytes of a delivered row's members, in their order."""
    place = output / row["shard"]
    if place.suffix == ".tar":
        with tarfile.open(place) as tar:
            return [tar.extractfile(name).read() for name in row["files"]]
    if place.suffix == ".mds":
        (sample,) = (one for one in read_mds(place.parent) if one["image_id"] == row["image_id"])
        return [files_of(sample)[name] for name in row["files"]]
    if place.suffix == ".parquet":
        others = {one["name"]: one["bytes"] for one in row["sidecars"]}
        return [others.get(name, row["image"]["bytes"]) for name in row["files"]]
    return [(place / name).read_bytes() for name in row["files"]]


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("shuffle", [None, 7])
@pytest.mark.parametrize("suffix", [".tar", ".tar.gz", ".tar.zst"])
def test_bytes_and_sidecars_come_back(tmp_path, form, shuffle, suffix):
    """Every member leaves with the bytes it came with, whatever the format, the order and the compression."""
    made = scored(tars(tmp_path / "in", suffix=suffix), tmp_path / "run")
    kept = decide(made, lambda at, _: ("reject" if at % 4 == 1 else "keep", None))
    exported = deliver(made, tmp_path / "out", ExportSettings(form, 4, shuffle=shuffle))
    rows = rows_of(tmp_path / "out")
    assert sorted(row["image_id"] for row in rows) == sorted(kept)
    assert ([row["image_id"] for row in rows] == kept) == (shuffle is None)
    assert exported.samples == len(kept) == len(rows)
    for row in rows:
        assert len(row["files"]) == len(row["members"]) >= 2
        found = member_bytes(tmp_path / "out", row)
        assert [digest(data) for data in found] == [one["sha256"] for one in row["members"]]
        assert found[0] == image(int(row["key"]), 200 + 37 * int(row["key"]))


@pytest.mark.parametrize("form", FORMATS)
def test_splits_are_folders(tmp_path, form):
    """Each split has its own shards, counted from 0, and its name in a column."""
    made = scored(tars(tmp_path / "in"), tmp_path / "run")
    decide(made, lambda at, _: ("keep", "val" if at % 5 == 0 else "train"))
    exported = deliver(made, tmp_path / "out", ExportSettings(form, 5))
    assert exported.splits == {"train": 12, "val": 3}
    for split, numbers in (("train", 3), ("val", 1)):
        names = sorted(path.name for path in (tmp_path / "out" / split).glob("*.parquet"))
        assert names == [f"{number:05d}.parquet" for number in range(numbers)]
    assert all(row["shard"].startswith(f"{row['split']}/") for row in rows_of(tmp_path / "out"))


@pytest.mark.parametrize("form", FORMATS)
def test_everything_known_is_beside(tmp_path, form):
    """The Parquet has identity, scores, place and embedding of each sample, of parts with and without embeddings."""
    made = scored(tars(tmp_path / "in", 2, 3), tmp_path / "run", embeddings=True)
    decide(made)
    deliver(made, tmp_path / "out", ExportSettings(form))
    row = rows_of(tmp_path / "out")[0]
    assert list(row)[:6] == ["image_id", "shard", "files", "input", "source", "key"]
    assert row["original_key"] == row["key"] == "0000"
    assert row["embedding"] == [row["bytes"] % 7] * 4
    assert (row["sharpness"], row["label"]) == (0.0, None)
    assert not {"error", "error_stage", "error_detail", "ordinal", "split"} & set(row)


def test_a_part_without_a_column_that_others_have(tmp_path):
    """Parts of one run may differ in columns; what one lacks is NULL."""
    made = scored(tars(tmp_path / "in", 2, 2), tmp_path / "run")
    decide(made)
    part = made[0].part(made[1][0].id)
    table = pq.read_table(part)
    pq.write_table(table.drop_columns(["label", "sharpness"]).replace_schema_metadata(None), part)
    deliver(made, tmp_path / "out", ExportSettings())
    assert [row["sharpness"] for row in rows_of(tmp_path / "out")] == [None, None, 0.0, 1 / 7]


def test_parquet_is_what_hugging_face_datasets_reads(tmp_path):
    """`image` is a struct of bytes and path, and the schema says that it is an Image feature."""
    made = scored(tars(tmp_path / "in", 1, 2), tmp_path / "run")
    decide(made)
    deliver(made, tmp_path / "out", ExportSettings("parquet"))
    schema = pq.read_schema(tmp_path / "out" / "00000.parquet")
    assert (schema.field("image").type, schema.field("sidecars").type) == (IMAGE, SIDECARS)
    features = json.loads(schema.metadata[b"huggingface"])["info"]["features"]
    assert features == {"image": {"_type": "Image"}}
    row = rows_of(tmp_path / "out")[1]
    assert row["image"]["path"] == "0001.jpg"
    assert [(one["name"], one["extension"]) for one in row["sidecars"]] == [("0001.txt", "txt"), ("0001.json", "json")]


def test_row_groups_are_bounded(tmp_path, monkeypatch):
    """A Parquet with bytes is written in row groups of bounded size, and the bytes stay right."""
    module = __import__("nemo_curator.runs.exporting.export", fromlist=["BLOCK_BYTES"])
    monkeypatch.setattr(module, "BLOCK_BYTES", 1500)
    made = scored(tars(tmp_path / "in", 2, 6), tmp_path / "run")
    decide(made)
    deliver(made, tmp_path / "out", ExportSettings("parquet"))
    assert pq.ParquetFile(tmp_path / "out" / "00000.parquet").num_row_groups > 2
    assert [digest(row["image"]["bytes"]) for row in rows_of(tmp_path / "out")] == [
        row["sha256"] for row in rows_of(tmp_path / "out")
    ]


def test_webdataset_reads_the_tars(tmp_path):
    """The reference reader finds every sample with its caption."""
    made = scored(tars(tmp_path / "in"), tmp_path / "run")
    kept = decide(made)
    deliver(made, tmp_path / "out", ExportSettings(shard_size=4, shuffle=1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import webdataset

        found = []
        for path in sorted((tmp_path / "out").glob("*.tar")):
            found += list(webdataset.WebDataset(str(path), shardshuffle=False))
    assert len(found) == len(kept)
    assert all(one["txt"] == f"caption {int(one['__key__'])}".encode() for one in found)


@pytest.mark.parametrize("form", ["webdataset", "folder"])
def test_nothing_lands_on_anything_else(tmp_path, form):
    """A file that has the name of another sample's folder, in either order, gets another name; nothing is lost."""
    folder = tmp_path / "in"
    members = [("a.jpg", 1), ("a.jpg/b.jpg", 2), ("c.d/e.jpg", 3), ("c.d", 4), ("a.jpg__2/b.jpg", 5)]
    made_members = [(name, image(number)) for name, number in members]
    make_tar(folder / "0.tar", made_members)
    made = scored(folder, tmp_path / "run")
    kept = decide(made)
    deliver(made, tmp_path / "out", ExportSettings(form))
    rows = rows_of(tmp_path / "out")
    assert len(rows) == len(kept) == 5
    assert [member_bytes(tmp_path / "out", row)[0] for row in rows] == [image(number) for _, number in members]
    if form == "webdataset":
        with tarfile.open(tmp_path / "out" / "00000.tar") as tar:
            tar.extractall(tmp_path / "unpacked", filter="data")
        assert len([path for path in (tmp_path / "unpacked").rglob("*") if path.is_file()]) == 5


def test_names_are_the_same_in_tar_and_folder(tmp_path):
    """Whoever unpacks the tars has the folders."""
    made = scored(tars(tmp_path / "in"), tmp_path / "run")
    decide(made)
    for form in ("webdataset", "folder"):
        deliver(made, tmp_path / form, ExportSettings(form, 6))
    assert [row["files"] for row in rows_of(tmp_path / "webdataset")] == [
        row["files"] for row in rows_of(tmp_path / "folder")
    ]


def test_files_of_names_that_climb_stay_inside(tmp_path):
    """A member called `../../x.jpg` or `/x.jpg` is written inside its folder, under a name that does not climb."""
    make_tar(tmp_path / "in" / "a.tar", [("../../evil.jpg", image(1)), ("/abs.jpg", image(2))])
    made = scored(tmp_path / "in", tmp_path / "run")
    decide(made)
    deliver(made, tmp_path / "deep" / "er" / "out", ExportSettings("folder"))
    names = sorted(contents(tmp_path / "deep"))
    assert names == [f"er/out/00000{end}" for end in (".parquet", "/abs.jpg", "/evil.jpg")] + ["er/out/manifest.json"]


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/x", "a//x", "./x", "a\0b", ""])
def test_names_that_lead_out(name):
    """Whatever is no plain path inside a folder is refused as a file name."""
    assert not is_inside(name)
    with pytest.raises(InputError, match="leads out"):
        refuse_outside(name)


def test_names_end_for_the_hostile_too():
    """Many samples that fight for the same names all get one, and all are different."""
    taken, names = ShardNames(), []
    for number in range(20):
        for key, extension in (("a", "b"), ("a.b/c", "d"), ("a.b", "")):
            source = Source(path="s.tar", key=key, members=(Member(key, extension, 512, 1),), primary=0)
            names += taken.of(source, f"{key}{number}", "jpeg")[1]
    files = set(names)
    assert len(files) == len(names) == 60
    folders = {name[:at] for name in names for at, letter in enumerate(name) if letter == "/"}
    assert not files & folders


@pytest.mark.parametrize("form", FORMATS)
def test_nothing_kept(tmp_path, form):
    """A run that keeps nothing delivers a manifest and no shard."""
    made = scored(tars(tmp_path / "in"), tmp_path / "run")
    decide(made, lambda *_: ("reject", None))
    exported = deliver(made, tmp_path / "out", ExportSettings(form, shuffle=3))
    assert (exported.samples, exported.files) == (0, [])
    assert list(contents(tmp_path / "out")) == ["manifest.json"]


def test_a_plan_tells_what_will_be_there(tmp_path):
    """Before anything is written the plan knows shards, samples and bytes; its fingerprint is that of the export."""
    made = scored(tars(tmp_path / "in"), tmp_path / "run")
    decide(made, lambda at, _: ("keep", "val" if at % 5 == 0 else "train"))
    settings = ExportSettings(shard_size=5, shuffle=2)
    plan = plan_export(*made, settings)
    exported = deliver(made, tmp_path / "out", settings)
    assert (plan.fingerprint, plan.samples, plan.splits) == (exported.plan, exported.samples, exported.splits)
    assert [f"{shard.name}.tar" for shard in plan.shards] == [one.name for one in exported.files[::2]]
    assert plan.bytes == sum(one["length"] for row in rows_of(tmp_path / "out") for one in row["members"])
    assert plan_export(*made, ExportSettings(shard_size=5, shuffle=3)).fingerprint != plan.fingerprint


def test_decisions_of_another_state(tmp_path):
    """Decisions that are missing, or not about the records that there are, end the export before it begins."""
    made = scored(tars(tmp_path / "in"), tmp_path / "run")
    with pytest.raises(InputError, match="not decided"):
        plan_export(*made, ExportSettings())
    decide(made)
    for wrong in (made[1][:-1], made[1][::-1], [*made[1], made[1][0]]):
        with pytest.raises(InputError, match="decide again"):
            plan_export(made[0], wrong, ExportSettings())


def test_a_split_that_is_no_folder_name(tmp_path):
    """A split that would lead out of the output is refused."""
    made = scored(tars(tmp_path / "in"), tmp_path / "run")
    decide(made, lambda *_: ("keep", "../x"))
    with pytest.raises(InputError, match="no name for a split"):
        plan_export(*made, ExportSettings())


def test_large_shards_are_streamed(tmp_path, monkeypatch):
    """A shard of many blocks has the same tar as one of a single block, and all rows."""
    made = scored(tars(tmp_path / "in", 2, 10), tmp_path / "run")
    decide(made)
    deliver(made, tmp_path / "one", ExportSettings(shard_size=15))
    module = __import__("nemo_curator.runs.exporting.export", fromlist=["BLOCK_ROWS"])
    monkeypatch.setattr(module, "BLOCK_ROWS", 4)
    deliver(made, tmp_path / "many", ExportSettings(shard_size=15))
    one, many = contents(tmp_path / "one"), contents(tmp_path / "many")
    assert one["00000.tar"] == many["00000.tar"]
    assert pq.read_table(io.BytesIO(one["00000.parquet"])) == pq.read_table(io.BytesIO(many["00000.parquet"]))


def test_the_plan_knows_bytes_and_values(tmp_path):
    """Another sidecar of the same length, another score or another embedding is another plan; the same are the same."""
    source = tars(tmp_path / "in", 2, 3)
    made = scored(source, tmp_path / "run", embeddings=True)
    decide(made)
    settings = ExportSettings()
    seen = [plan_export(*made, settings).fingerprint]
    assert plan_export(*scored(source, tmp_path / "run", embeddings=True), settings).fingerprint == seen[0]
    caption = [(f"{at:04d}.{end}", data) for at in range(3) for end, data in (("jpg", image(at, 200 + 37 * at)),)]
    make_tar(source / "000.tar", [*caption, ("0002.txt", b"other")])
    first = plan_export(*scored(source, tmp_path / "run", embeddings=True), settings).fingerprint
    make_tar(source / "000.tar", [*caption, ("0002.txt", b"OTHER")])
    seen += [first, plan_export(*scored(source, tmp_path / "run", embeddings=True), settings).fingerprint]
    run, partitions = made
    part = run.part(partitions[1].id)
    table = pq.read_table(part)
    at = table.column_names.index("sharpness")
    pq.write_table(table.set_column(at, table.schema.field(at), [[0.5, 0.5, 0.5]]), part)
    seen.append(plan_export(*made, settings).fingerprint)
    write_embeddings(run, partitions[1].id, table["image_id"].to_pylist(), [np.ones(4, np.float32)] * 3)
    seen.append(plan_export(*made, settings).fingerprint)
    assert len(set(seen)) == len(seen) == 5

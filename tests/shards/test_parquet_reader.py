"""Parquet files of images: which are read, what a row becomes, and what a hostile one cannot do."""

from __future__ import annotations

import datetime as dt
import decimal
import json
import tracemalloc
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.shards.builders import JPEG, PNG, tar_bytes, write

from nemo_curator import storage
from nemo_curator.shards import parquet_reader, parquet_rows
from nemo_curator.shards.fetch import read_members
from nemo_curator.shards.listing import list_inputs
from nemo_curator.shards.parquet_reader import read_parquet
from nemo_curator.shards.parquet_rows import holds_images
from nemo_curator.shards.parquet_schema import SHARD, image_columns
from nemo_curator.shards.sample import Sample

IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
SIDECARS = pa.list_(pa.struct([("name", pa.string()), ("extension", pa.string()), ("bytes", pa.binary())]))


def parquet(path: Path, columns: dict[str, Any], **options: Any) -> str:
    """Write columns; returns the path as text."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path, **options)
    return str(path)


def images(*files: bytes | None, paths: tuple[str | None, ...] = ()) -> pa.Array:
    """A column of images as the Hugging Face libraries write it."""
    names = paths or (None,) * len(files)
    rows = [{"bytes": data, "path": name} for data, name in zip(files, names, strict=True)]
    return pa.array(rows, IMAGE)


def read(path: str, **options: Any) -> list[Sample]:
    """All samples."""
    return list(read_parquet(path, **options))


def test_rows_without_a_key_are_numbered(tmp_path):
    """The number of the row is the key; what is not bytes is JSON, in the order of the columns."""
    columns = {
        "caption": ["one", None],
        "image": images(JPEG, PNG, paths=("a.b/x.JPG", None)),
        "label": pa.array([3, 4], pa.int64()),
        "mask": pa.array([b"mask", None], pa.binary()),
        "depth": images(b"far", b"near", paths=("d.npy", None)),
    }
    one, two = read(parquet(tmp_path / "train.parquet", columns))
    assert (one.image_id, two.image_id) == ("train/00000000", "train/00000001")
    assert (one.image, two.image) == (JPEG, PNG)
    assert one.sidecars == {
        "00000000.mask": b"mask",
        "00000000.depth.npy": b"far",
        "00000000.json": b'{"caption": "one", "label": 3}',
    }
    assert two.sidecars == {"00000001.depth": b"near", "00000001.json": b'{"caption": null, "label": 4}'}
    assert one.source.members[0].name == "00000000.JPG"
    assert two.source.members[0].name == "00000001.png"
    assert {member.offset for member in two.source.members} == {2}


def test_values_of_every_kind_are_json(tmp_path):
    """Times, decimals, bytes, NaN, lists and structs: what JSON has no type for is text, or null."""
    time = dt.datetime(2026, 11, 26, 12, 30, 0, 7, tzinfo=dt.UTC)
    columns = {
        "image": images(JPEG),
        "time": pa.array([time], pa.timestamp("us", "UTC")),
        "nanoseconds": pa.array([1], pa.timestamp("ns")),
        "price": pa.array([decimal.Decimal("1.50")]),
        "nan": [float("nan")],
        "nested": pa.array([{"a": [1, 2], "b": b"\xff"}]),
        "pairs": pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int64())),
        "nothing": pa.nulls(1),
    }
    (sample,) = read(parquet(tmp_path / "a.parquet", columns))
    assert json.loads(sample.sidecars["00000000.json"]) == {
        "time": "2026-11-26 12:30:00.000007Z",
        "nanoseconds": "1970-01-01 00:00:00.000000001",
        "price": "1.50",
        "nan": None,
        "nested": {"a": [1, 2], "b": "/w=="},
        "pairs": [["k", 1]],
        "nothing": None,
    }


@pytest.mark.parametrize(
    ("columns", "image"),
    [
        ({"image": pa.binary()}, "image"),
        ({"image": pa.large_binary(), "img": pa.binary()}, "image"),
        ({"image": pa.struct([("bytes", pa.binary())])}, "image"),
        ({"photo": pa.binary(), "x": IMAGE}, "x"),
        ({"image": pa.string(), "jpg": pa.binary()}, "jpg"),
        ({"image": pa.string(), "blob": pa.binary()}, None),
        ({"image": pa.list_(pa.binary())}, None),
        ({"location": pa.binary(), "root": pa.binary()}, None),
        ({}, None),
    ],
)
def test_which_column_is_the_image(columns, image):
    """Told by name and type; a Parquet of other bytes, such as a list of partitions, holds none."""
    found = image_columns(pa.schema(list(columns.items())), None)
    assert (found and found.image) == image


def test_two_columns_of_one_name_are_not_read():
    """Nobody could say which of them is meant."""
    assert image_columns(pa.schema([("image", IMAGE), ("a", pa.int8()), ("a", pa.int8())]), None) is None


def test_a_claim_to_be_ours_is_not_believed():
    """Whoever writes our mark without our columns is read as anybody."""
    found = image_columns(pa.schema([("image", IMAGE), ("sidecars", pa.string())]), {SHARD: b"{}"})
    assert found is not None
    assert not found.delivered
    assert found.values == ("sidecars",)


def test_what_is_no_sample_is_a_record_that_says_why(tmp_path):
    """No image, a path alone, no bytes, other bytes: each a record, in its place."""
    rows = [None, {"bytes": None, "path": "/etc/passwd"}, {"bytes": b"", "path": None}, {"bytes": b"%PDF", "path": "x"}]
    path = parquet(tmp_path / "a.parquet", {"image": pa.array([*rows, {"bytes": JPEG, "path": None}], IMAGE)})
    samples = read(path)
    assert [sample.error for sample in samples] == ["no_image"] * 4 + [""]
    assert [sample.detail for sample in samples[:4]] == [
        "the row has no image",
        "the row has the path /etc/passwd of an image, and no bytes of one",
        "the image is empty (0 bytes)",
        "its first bytes are of no known image format, but look like a PDF",
    ]


@pytest.mark.parametrize("column", ["key", "__key__", "id", "image_id"])
def test_keys(tmp_path, column):
    """Text of any kind; a key that is not there is the number, one that repeats has an id of its own, dots go."""
    keys = ["a/b", None, "", "k", "k", "k", "v.1.png", ".hidden", "../../x", "k" * 70_000]
    path = parquet(tmp_path / "s.parquet", {column: keys, "jpg": [JPEG] * len(keys)})
    samples = read(path)
    assert [sample.image_id for sample in samples] == [
        "s/a/b", "s/00000001", "s/00000002", "s/k", "s/k#2", "s/k#3", "s/v_1_png", "s/.hidden", "s/../../x",
        "s/00000009",
    ]  # fmt: skip
    assert samples[4].source.key == "k"
    assert {sample.error for sample in samples} == {""}


def test_a_key_may_be_the_id_of_a_repeated_one(tmp_path):
    """Whatever the keys, no two ids are equal."""
    keys = ["k#2", "k", "k", "k#2", "k"]
    samples = read(parquet(tmp_path / "s.parquet", {"key": keys, "jpg": [JPEG] * 5}))
    assert len({sample.image_id for sample in samples}) == 5


@settings(max_examples=25, deadline=None)
@given(keys=st.lists(st.one_of(st.none(), st.sampled_from(["k", "k#2", "k#2#2", "a.b", "a_b"])), max_size=12))
def test_every_row_is_one_record(tmp_path_factory, keys):
    """As many records as rows, each with an id of its own, whose members come back."""
    if not keys:
        return
    path = parquet(
        tmp_path_factory.mktemp("rows") / "s.parquet", {"key": pa.array(keys, pa.string()), "jpg": [JPEG] * len(keys)}
    )
    samples = read(path)
    assert len({sample.image_id for sample in samples}) == len(keys)
    members = [member for sample in samples for member in sample.source.members]
    assert len(list(read_members(path, members))) == len(members)


def test_text_that_is_not_utf8(tmp_path):
    """In a key it is written as ids are; in a value the row is one record that says so, and the others are read."""
    wrong = pa.array([b"a\xff", b"b"], pa.binary()).view(pa.string())
    first, second = read(parquet(tmp_path / "s.parquet", {"key": wrong, "text": wrong, "jpg": [JPEG, JPEG]}))
    assert (first.image_id, first.error) == ("s/a\\xff", "unreadable")
    assert "a value of this row cannot be read" in first.detail
    assert (second.image_id, second.error) == ("s/b", "")


def test_rows_of_ours_with_two_files_of_one_name(tmp_path):
    """Whoever edits a data set of ours gets one record, not one of the two files."""
    sidecars = pa.array([[{"name": "k.txt", "extension": "txt", "bytes": data} for data in (b"1", b"2")]], SIDECARS)
    table = pa.table(
        {"files": [["k.jpg", "k.txt", "k.txt"]], "image": images(JPEG, paths=("k.jpg",)), "sidecars": sidecars}
    )
    pq.write_table(table.replace_schema_metadata({SHARD: b"{}"}), tmp_path / "0.parquet")
    (sample,) = read(str(tmp_path / "0.parquet"))
    assert (sample.error, sample.detail) == ("duplicate_member", "the name k.txt is there twice")


def test_many_sidecars_are_not_made_into_files(tmp_path):
    """A list of a million sidecars of one row is counted, and no more."""
    sidecars = pa.array([[{"name": "a", "extension": "", "bytes": b""}] * 20_000], SIDECARS)
    table = pa.table({"files": [["k.jpg"]], "image": images(JPEG, paths=("k.jpg",)), "sidecars": sidecars})
    pq.write_table(table.replace_schema_metadata({SHARD: b"{}"}), tmp_path / "0.parquet")
    (sample,) = read(str(tmp_path / "0.parquet"))
    assert (sample.error, sample.source.members) == ("over_limit", ())
    assert "20001 files" in sample.detail


def test_a_file_of_one_value_a_million_times_takes_no_memory(tmp_path):
    """A dictionary stands for gigabytes in a few bytes: rows are made one at a time."""
    large = pa.DictionaryArray.from_arrays(pa.array([0] * 3_000, pa.int32()), pa.array([JPEG + bytes(1_000_000)]))
    path = str(tmp_path / "bomb.parquet")
    table = pa.table({"jpg": large})
    pq.write_table(table, path, store_schema=False, dictionary_pagesize_limit=10_000_000)
    assert Path(path).stat().st_size < 3_000_000
    before = pa.total_allocated_bytes()
    tracemalloc.start()
    count = 0
    for count, sample in enumerate(read_parquet(path, max_bytes=100_000), 1):  # noqa: B007 (it is what is counted)
        assert sample.error == "over_limit"
        assert pa.total_allocated_bytes() - before < 50_000_000
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 3_000
    assert peak < 20_000_000


def test_rows_that_were_read_do_not_stay(tmp_path):
    """Of a row group are in memory the page that is read and the one before it."""
    files = [JPEG + bytes([number]) * 1_000_000 for number in range(60)]
    path = parquet(tmp_path / "a.parquet", {"jpg": files}, compression="none", use_dictionary=False, write_batch_size=1)
    before = pa.total_allocated_bytes()
    del files
    for sample in read_parquet(path):
        assert not sample.error
        assert pa.total_allocated_bytes() - before < 10_000_000


def test_more_values_than_a_row_group_may_have(tmp_path, monkeypatch):
    """A list of equal values takes no room in a file: it is refused from the end of the file."""
    monkeypatch.setattr(parquet_rows, "MAX_VALUES", 1_000)
    columns = {"jpg": [JPEG], "a.b": pa.array([[0] * 2_000], pa.list_(pa.int64()))}
    (sample,) = read(parquet(tmp_path / "a.parquet", columns))
    assert (sample.image_id, sample.error) == ("a.parquet", "damaged_shard")
    assert "read to row 0: a row group has 2,000 values in the column a.b.list.element" in sample.detail


@pytest.mark.parametrize(("name", "limit"), [("MAX_MEMBERS", 3), ("MAX_NAMES", 50)])
def test_more_rows_than_a_shard_may_have(tmp_path, monkeypatch, name, limit):
    """The first ones count, and one record says that there are more."""
    monkeypatch.setattr(parquet_reader, name, limit)
    samples = read(parquet(tmp_path / "a.parquet", {"jpg": [JPEG] * 9}))
    assert 0 < len(samples) - 1 < 9
    assert samples[-1].error == "damaged_shard"
    assert "split it" in samples[-1].detail


@settings(max_examples=60, deadline=None)
@given(at=st.integers(0, 10_000), value=st.integers(1, 255), cut=st.booleans())
def test_no_damage_makes_it_raise(tmp_path_factory, at, value, cut):
    """Any byte changed, or the file cut anywhere: records, of which every id is different."""
    path = tmp_path_factory.mktemp("damage") / "a.parquet"
    columns = {"key": ["a", "b", "c"], "image": images(JPEG, PNG, JPEG), "n": [1, 2, 3]}
    data = bytearray(Path(parquet(path, columns, row_group_size=1, write_page_checksum=True)).read_bytes())
    at %= len(data)
    data[at] ^= value
    path.write_bytes(data[:at] if cut else data)
    samples = read(str(path))
    assert samples
    assert len({sample.image_id for sample in samples}) == len(samples)
    assert all(sample.image in {JPEG, PNG} for sample in samples if not sample.error)


def test_which_files_of_a_folder_are_shards(tmp_path):
    """One of images; not one beside a tar or an image of its stem, of other columns, torn, or of another name."""
    columns = {"jpg": [JPEG]}
    for name in ("a.parquet", "sub/B.PARQUET", "beside.parquet", "c.parquet", "torn.parquet", "d.data", ".e.parquet"):
        parquet(tmp_path / name, columns)
    parquet(tmp_path / "f.parquet", {"url": ["http://x"]})
    write(tmp_path / "beside.tar.gz", tar_bytes([("k.jpg", JPEG)]))
    write(tmp_path / "c.jpg", JPEG)
    (tmp_path / "torn.parquet").write_bytes((tmp_path / "torn.parquet").read_bytes()[:-9])
    found = {entry.path: entry.kind for entry in list_inputs([str(tmp_path)]).entries}
    assert found == {
        "a.parquet": "parquet", "beside.parquet": "stray", "beside.tar.gz": "tar", "c.jpg": "image", "d.data": "stray",
        "f.parquet": "stray", "sub/B.PARQUET": "parquet", "torn.parquet": "stray",
    }  # fmt: skip
    (named,) = list_inputs([str(tmp_path / "beside.parquet")]).entries
    assert named.kind == "parquet"


def test_remote_files_are_read_as_local_ones():
    """Behind a URL the same samples come, and their members again."""
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"jpg": [JPEG, PNG]}), sink)
    with storage.write_atomic("memory://set/a.parquet") as file:
        file.write(sink.getvalue().to_pybytes())
    assert holds_images("memory://set/a.parquet")
    samples = read("memory://set/a.parquet", root="memory://set", name="in")
    assert [sample.image_id for sample in samples] == ["in/a/00000000", "in/a/00000001"]
    members = [member for sample in samples for member in sample.source.members]
    assert list(read_members("memory://set/a.parquet", members)) == [JPEG, PNG]
    MemoryFileSystem.store.clear()


def test_what_cannot_be_opened(tmp_path):
    """Gone, a folder, no Parquet any more, no images any more: one record under the path of the file."""
    (tmp_path / "folder.parquet").mkdir()
    write(tmp_path / "text.parquet", b"not any more")
    parquet(tmp_path / "other.parquet", {"n": [1]})
    for name, error in (
        ("gone", "unreadable"),
        ("folder", "unreadable"),
        ("text", "damaged_shard"),
        ("other", "damaged_shard"),
    ):
        (sample,) = read(str(tmp_path / f"{name}.parquet"))
        assert (sample.image_id, sample.error) == (f"{name}.parquet", error)

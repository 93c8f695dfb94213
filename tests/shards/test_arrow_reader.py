"""Arrow streams of images, as `datasets` saves them: which are read, what rows become, what hostile ones cannot do."""

from __future__ import annotations

import importlib.util
import io
import json
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.shards.builders import JPEG, PNG, write
from tests.shards.test_parquet_reader import images, read

from nemo_curator import storage
from nemo_curator.errors import InputError
from nemo_curator.shards.arrow_messages import stream_facts
from nemo_curator.shards.fetch import MemberReader, read_members
from nemo_curator.shards.listing import list_inputs
from nemo_curator.shards.parquet_reader import read_parquet
from nemo_curator.shards.parquet_schema import image_columns
from nemo_curator.shards.rows_of_images import holds_images

FEATURES = {b"huggingface": json.dumps({"info": {"features": {"image": {"_type": "Image"}}}}).encode()}


def stream_bytes(columns: dict[str, Any], rows: int = 2, **options: Any) -> bytes:
    """An Arrow stream of so many rows a batch."""
    table = pa.table(columns).replace_schema_metadata(FEATURES)
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table, max_chunksize=rows)
    return sink.getvalue()


def columns(count: int = 5) -> dict[str, Any]:
    """Images with captions and labels."""
    return {
        "image": images(*(JPEG + bytes([number]) for number in range(count))),
        "text": [f"caption {number}" for number in range(count)],
        "label": pa.array(range(count), pa.int64()),
    }


def test_rows(tmp_path):
    """Each row is a sample: its image, its further bytes as sidecars, everything else as JSON."""
    given_columns = columns(3) | {"mask": pa.array([b"mask", None, None], pa.binary()), "image_id": ["a", "b.c", None]}
    samples = read(write(tmp_path / "d.arrow", stream_bytes(given_columns)))
    assert [one.image_id for one in samples] == ["d/a", "d/b_c", "d/00000002"]
    assert [one.image for one in samples] == [JPEG + bytes([number]) for number in range(3)]
    assert samples[0].sidecars["a.mask"] == b"mask"
    assert json.loads(samples[1].sidecars["b_c.json"]) == {"text": "caption 1", "label": 1, "image_id": "b.c"}


def test_the_same_as_a_parquet(tmp_path):
    """A table gives the same samples from either kind of file, but for the place of none of their bytes."""
    table = pa.table(columns()).replace_schema_metadata(FEATURES)
    pq.write_table(table, tmp_path / "d.parquet")
    arrow, parquet = read(write(tmp_path / "d.arrow", stream_bytes(columns()))), read(str(tmp_path / "d.parquet"))
    assert [(one.image_id, one.image, one.sidecars, one.source.members) for one in arrow] == [
        (one.image_id, one.image, one.sidecars, one.source.members) for one in parquet
    ]


def saved(folder: Path, rows: int = 5) -> Path:
    """A folder as `save_to_disk` leaves it, with a cache of later work in it."""
    folder.mkdir(parents=True)
    write(folder / "data-00000-of-00001.arrow", stream_bytes(columns(rows)))
    write(folder / "cache-0123.arrow", stream_bytes(columns(rows)))
    (folder / "dataset_info.json").write_text("{}")
    (folder / "state.json").write_text(json.dumps({"_data_files": [{"filename": "data-00000-of-00001.arrow"}]}))
    return folder


def test_saved_folders(tmp_path):
    """Of a saved data set the data are read, once; what describes them is ignored, and listed."""
    listing = list_inputs([str(saved(tmp_path / "d"))])
    assert [(one.path, one.kind) for one in listing.entries] == [("data-00000-of-00001.arrow", "arrow")]
    assert dict(listing.ignored) == {
        "cache-0123.arrow": "it is no file of the saved data set that it lies in",
        "dataset_info.json": "it describes a saved data set",
        "state.json": "it describes a saved data set",
    }


def test_saved_splits(tmp_path):
    """A saved dictionary of data sets has a shard a split, whose names are in the ids."""
    for split in ("train", "test"):
        saved(tmp_path / "d" / split, 1)
    (tmp_path / "d" / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    listing = list_inputs([str(tmp_path / "d")])
    assert [one.path for one in listing.entries] == [f"{one}/data-00000-of-00001.arrow" for one in ("test", "train")]
    assert "dataset_dict.json" in dict(listing.ignored)
    (sample,) = read_parquet(listing.entries[1].location, root=listing.entries[1].root)
    assert sample.image_id == "train/data-00000-of-00001/00000000"


@pytest.mark.parametrize(
    "state",
    ["", "[]", "{}", '{"_data_files": 3}', '{"_data_files": ["../x.arrow"]}', "[" * 100_000, '{"_data_files": null}'],
)
def test_states_that_make_no_sense(tmp_path, state):
    """A state that lists nothing is a file like any other, and all streams are read."""
    saved(tmp_path / "d")
    (tmp_path / "d" / "state.json").write_text(state)
    kinds = {one.path: one.kind for one in list_inputs([str(tmp_path / "d")]).entries}
    assert kinds["cache-0123.arrow"] == kinds["data-00000-of-00001.arrow"] == "arrow"
    assert kinds["state.json"] == "stray"


def test_states_that_list_what_is_not_there(tmp_path):
    """Names in a state are compared, not opened; one that lists other files is none, so that nothing is left out."""
    saved(tmp_path / "d")
    (tmp_path / "d" / "state.json").write_text('{"_data_files": [{"filename": "../../secret.arrow"}]}')
    assert [one.kind for one in list_inputs([str(tmp_path / "d")]).entries] == ["arrow", "arrow", "stray", "stray"]


def test_other_streams(tmp_path):
    """A stream without images is a file like any other, and so is a file of that name which is none."""
    write(tmp_path / "numbers.arrow", stream_bytes({"a": [1]}))
    write(tmp_path / "words.arrow", b"no stream")
    write(tmp_path / "x.jpg", JPEG)
    assert {one.path: one.kind for one in list_inputs([str(tmp_path)]).entries} == {
        "numbers.arrow": "stray", "words.arrow": "stray", "x.jpg": "image",
    }  # fmt: skip


def test_members_are_read_again(tmp_path):
    """An export gets the same bytes, in any order, and is told when they changed."""
    path = write(tmp_path / "d.arrow", stream_bytes(columns()))
    samples = read(path)
    with MemberReader() as reader:
        for at in (3, 0, 4, 1, 2):
            found = list(reader.read(path, samples[at].source.members))
            assert found == [samples[at].image, *samples[at].sidecars.values()]
    write(tmp_path / "d.arrow", stream_bytes(columns() | {"text": ["other"] * 5}))
    with pytest.raises(InputError, match="not the ones"):
        list(read_members(path, samples[0].source.members))


def test_remote(tmp_path):
    """A stream elsewhere is read the same."""
    path = write(tmp_path / "d.arrow", stream_bytes(columns()))
    MemoryFileSystem.store.clear()
    with storage.write_atomic("memory://in/d.arrow") as file:
        file.write(Path(path).read_bytes())
    assert [one.image for one in read("memory://in/d.arrow")] == [one.image for one in read(path)]
    assert holds_images("memory://in/d.arrow")


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_torn_files(tmp_path, share):
    """The whole batches before the tear count, and the damage is one record."""
    data = stream_bytes(columns(40), rows=4)
    *samples, last = read(write(tmp_path / "d.arrow", data[: int(len(data) * share)]))
    assert last.error == "damaged_shard"
    assert last.image_id == "d.arrow"
    assert [one.image for one in samples] == [JPEG + bytes([number]) for number in range(len(samples))]
    assert len(samples) % 4 == 0


@pytest.mark.parametrize("codec", ["lz4", "zstd"])
def test_compressed_streams_are_refused(tmp_path, codec):
    """A compressed buffer may claim any size, so nothing of such a file is allocated."""
    (sample,) = read(write(tmp_path / "d.arrow", stream_bytes(columns(), compression=codec)))
    assert sample.error == "damaged_shard"
    assert "compressed" in sample.detail


def messages(data: bytes) -> list[pa.Message]:
    """The messages of a stream."""
    return list(pa.ipc.MessageReader.open_stream(data))


def test_streams_that_may_be_compressed_are_refused(tmp_path):
    """Of an older version, or with words of its own, a batch may name a compression where Arrow finds it."""
    table = pa.table(columns()).replace_schema_metadata(FEATURES)
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_batch(table.to_batches()[0], custom_metadata={"ARROW:experimental_compression": "zstd"})
    for data in (sink.getvalue(), stream_bytes(columns(), metadata_version=pa.ipc.MetadataVersion.V4)):
        (sample,) = read(write(tmp_path / "d.arrow", data))
        assert sample.error == "damaged_shard"
        assert "compressed" in sample.detail


def test_bodies_of_odd_lengths_are_damage(tmp_path):
    """A batch whose body does not end where the next message can begin is damaged, whatever would be read there."""
    data = stream_bytes(columns())
    batch = messages(data)[1]
    header = batch.metadata.to_pybytes()
    length = len(batch.body).to_bytes(8, "little")
    assert header.count(length) == 1
    other = header.replace(length, (len(batch.body) - 1).to_bytes(8, "little"))
    (sample,) = read(write(tmp_path / "d.arrow", data.replace(header, other)))
    assert sample.error == "damaged_shard"


@pytest.mark.parametrize(
    "kind",
    [
        pa.list_(pa.null()),
        pa.list_(pa.null(), 1_000_000),
        pa.list_view(pa.int8()),
        pa.run_end_encoded(pa.int32(), pa.int8()),
    ],
)
def test_types_that_take_no_room_in_a_file(tmp_path, kind):
    """Types by which some bytes stand for any amount of memory are refused by name."""
    column = (
        pa.nulls(1, kind)
        if not pa.types.is_run_end_encoded(kind)
        else pa.RunEndEncodedArray.from_arrays([1], pa.array([1], pa.int8()))
    )
    (sample,) = read(write(tmp_path / "d.arrow", stream_bytes(columns(1) | {"bomb": column})))
    assert sample.error == "damaged_shard"
    assert "bomb" in sample.detail


def test_paths_alone(tmp_path):
    """An image that is a path and nothing else is no image: nothing is fetched, wherever it leads."""
    rows = images(None, None, JPEG, paths=("../../etc/passwd", "/etc/passwd", "x.jpg"))
    samples = read(write(tmp_path / "d.arrow", stream_bytes({"image": rows})))
    assert [one.error for one in samples] == ["no_image", "no_image", ""]
    assert "../../etc/passwd" in samples[0].detail


def test_sounds_are_no_images():
    """Where `datasets` says which column is an image, a sound of the same shape before it is none."""
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    schema = pa.schema([("sound", kind), ("scan", kind)])
    marks = {b"huggingface": b'{"info": {"features": {"sound": {"_type": "Audio"}, "scan": {"_type": "Image"}}}}'}
    assert image_columns(schema, marks).image == "scan"
    assert image_columns(schema, {b"huggingface": b"[3]"}).image == "sound"
    assert image_columns(schema, {b"huggingface": b'{"info": {"features": [1]}}'}).image == "sound"


def test_batches_are_not_copied(tmp_path):
    """A batch far larger than a row costs no memory of its own."""
    path = write(
        tmp_path / "d.arrow", stream_bytes({"image": images(*(JPEG + bytes(400_000) for _ in range(100)))}, 100)
    )
    before = pa.total_allocated_bytes()
    tracemalloc.start()
    peak = most = 0
    for sample in read_parquet(path):
        assert len(sample.image) > 400_000
        most = max(most, pa.total_allocated_bytes() - before)
        peak = max(peak, tracemalloc.get_traced_memory()[1])
        del sample
    tracemalloc.stop()
    assert most < 4_000_000
    assert peak < 8_000_000


STREAM = stream_bytes(columns(6), rows=2)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(STREAM) - 1), st.integers(0, 255)), min_size=1, max_size=6), st.data())
def test_mutations(tmp_path_factory, edits, data):
    """Whatever bytes are changed and wherever it is cut, reading ends in records and nothing else."""
    changed = bytearray(STREAM)
    for at, value in edits:
        changed[at] = value
    end = data.draw(st.integers(0, len(changed)))
    path = write(tmp_path_factory.mktemp("m") / "d.arrow", bytes(changed[: end or None]))
    for sample in read_parquet(path):
        assert sample.image_id.startswith("d")
        assert bool(sample.error) != bool(sample.image)


@given(st.binary(max_size=400))
def test_headers_of_anything(data):
    """Walking over any bytes ends, with what is wrong in words."""
    facts = stream_facts(memoryview(data))
    assert facts.trouble or facts.compressed or facts.rows or int.from_bytes(data[:4], "little") in (0, 0xFFFFFFFF)
    assert len(facts.rows) <= len(data)


SAVE = """
import sys
import datasets
from PIL import Image
pictures = [Image.new("RGB", (20, 10), (number, 0, 0)) for number in range(7)]
rows = datasets.Dataset.from_dict({"label": list(range(7)), "img": pictures, "text": [f"t{n}" for n in range(7)]})
rows = rows.cast_column("img", datasets.Image())
folder = sys.argv[1]
rows.save_to_disk(f"{folder}/plain", num_shards=2)
datasets.DatasetDict({"train": rows, "test": rows}).save_to_disk(f"{folder}/splits")
rows.to_parquet(f"{folder}/rows.parquet")
"""


@pytest.mark.skipif(importlib.util.find_spec("datasets") is None, reason="not installed: datasets")
def test_what_datasets_really_writes(tmp_path):
    """Folders and Parquet files that `datasets` itself saves are read: every picture, label and text, once."""
    subprocess.run([sys.executable, "-W", "ignore", "-c", SAVE, str(tmp_path)], check=True, capture_output=True)
    found = {}
    for name in ("plain", "splits", "rows.parquet"):
        listing = list_inputs([str(tmp_path / name)])
        assert {one.kind for one in listing.entries} == {"parquet" if "." in name else "arrow"}
        found[name] = [one for entry in listing.entries for one in read_parquet(entry.location, root=entry.root)]
        assert not any(one.error for one in found[name])
        texts = [json.loads(next(iter(one.sidecars.values()))) for one in found[name]]
        assert texts == [{"label": n, "text": f"t{n}"} for n in range(7)] * (2 if name == "splits" else 1)
    assert [one.image for one in found["plain"]] == [one.image for one in found["rows.parquet"]]
    assert found["plain"][0].image.startswith(b"\x89PNG")
    assert PNG[:4] == found["plain"][0].image[:4]

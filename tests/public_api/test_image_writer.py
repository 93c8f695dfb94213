"""PUBLIC_API section 2, `ImageWriterStage`: what it writes, and under which names."""

from __future__ import annotations

import hashlib
import io
import json
import re
import tarfile
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from tests.public_api.fakes import make_shards, members

from nemo_curator.backends.local import LocalExecutor
from nemo_curator.pipeline import Pipeline
from nemo_curator.stages.file_partitioning import FilePartitioningStage
from nemo_curator.stages.image.io.image_reader import ImageReaderStage
from nemo_curator.stages.image.io.image_writer import ImageWriterStage
from nemo_curator.tasks import FileGroupTask, ImageBatch, ImageObject
from nemo_curator.testing import encoded, photo


def read(paths: list[Path], **reader) -> ImageBatch:
    """The images of some tars as one batch."""
    task = FileGroupTask(data=[str(path) for path in paths], _metadata={"input_root": str(paths[0].parent)})
    (batch,) = ImageReaderStage(**reader).process(task)
    batch.dataset_name, batch.task_id = "set", "t"
    return batch


def tar_members(path: str | Path) -> dict[str, bytes]:
    """Name to bytes, in order; a name that is there twice fails."""
    with tarfile.open(path) as tar:
        found = [(member.name, tar.extractfile(member).read()) for member in tar]
    assert len(dict(found)) == len(found)
    return dict(found)


def write(batch: ImageBatch, folder: Path, **writer) -> tuple[FileGroupTask, dict[str, bytes], list[dict]]:
    """What the writer returns, the members of its first tar, and the rows of its first Parquet."""
    done = ImageWriterStage(str(folder), **writer).process(batch)
    return done, tar_members(done.data[0]), pq.read_table(done.data[1]).to_pylist()


def test_names_and_task(tmp_path):
    """Tars and Parquets are named by hash and number; the task lists both and says how many images there are."""
    batch = read(make_shards(tmp_path / "in", shards=1, each=5), pixels=False)
    batch._metadata["own"] = 1
    done, _, _ = write(batch, tmp_path / "out", images_per_tar=2)
    names = [Path(path).name for path in done.data]
    (digest,) = {name[7:19] for name in names}
    assert re.fullmatch(r"[0-9a-f]{12}", digest)
    assert names == [f"images-{digest}-{number:06d}.{end}" for number in range(3) for end in ("tar", "parquet")]
    assert {path.name for path in (tmp_path / "out").iterdir()} == set(names)
    metadata = done._metadata
    assert (metadata["output_dir"], metadata["images_per_tar"], metadata["num_images"]) == (str(tmp_path / "out"), 2, 5)
    assert (metadata["own"], done.dataset_name, done.task_id) == (1, "set", "t")
    assert [len(tar_members(path)) for path in done.data[::2]] == [6, 6, 3]


def test_deterministic_names(tmp_path):
    """The same batch has the same names and bytes; another batch, or chance where asked for, has others."""
    source = make_shards(tmp_path / "in", shards=1)
    first, _, _ = write(read(source), tmp_path / "a")
    second, _, _ = write(read(source), tmp_path / "b")
    assert [Path(path).name for path in first.data] == [Path(path).name for path in second.data]
    assert [Path(path).read_bytes() for path in first.data] == [Path(path).read_bytes() for path in second.data]
    by_chance = [write(read(source), tmp_path / "c", deterministic_name=False)[0].data[0] for _ in range(2)]
    assert len({*by_chance, first.data[0]}) == 3


def test_original_bytes_keys_and_sidecars(tmp_path):
    """Each sample leaves with the bytes it came with, under its own key, image first, captions and labels beside."""
    _, found, rows = write(read(make_shards(tmp_path / "in", shards=1)), tmp_path / "out")
    assert list(found.items()) == members(4)
    assert rows[0]["sidecars"] == ["k000.txt", "k000.json"]


def test_parquet_columns(tmp_path):
    """Every image's row has the documented columns and ours, typed, and the hash of what was written."""
    batch = read(make_shards(tmp_path / "in", shards=1, each=1))
    image = batch.data[0]
    image.aesthetic_score, image.nsfw_score, image.scores = 5.5, 0.25, {"sharpness": 0.5, "word": "x"}
    image.embedding = np.array([0.6, 0.8], np.float32)
    done, found, (row,) = write(batch, tmp_path / "out")
    assert row["image_id"] == "00000/k000"
    assert row["tar_file"] == Path(done.data[0]).name
    assert row["member_name"] == "k000.jpg"
    assert row["original_path"] == image.image_path
    assert json.loads(row["metadata"]) == {"seed": 0}
    assert (row["caption"], row["width"], row["height"], row["format"]) == ("photo number 0", 64, 48, "jpeg")
    assert (row["aesthetic_score"], row["nsfw_score"], row["sharpness"], row["word"]) == (5.5, 0.25, 0.5, "x")
    assert row["embedding"] == pytest.approx([0.6, 0.8])
    assert row["sha256"] == hashlib.sha256(found["k000.jpg"]).hexdigest()
    assert row["bytes"] == len(found["k000.jpg"])


def test_neither_bytes_nor_pixels(tmp_path):
    """An image that cannot be written is a `ValueError` that names it, and nothing is left behind."""
    batch = read(make_shards(tmp_path / "in", shards=1, each=2))
    batch.data.append(ImageObject(image_id="ghost"))
    with pytest.raises(ValueError, match="'ghost'"):
        ImageWriterStage(str(tmp_path / "out")).process(batch)
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("how", ["assigned", "in place"])
def test_edited_pixels_are_encoded(tmp_path, how):
    """Pixels that a stage replaced or changed are what is written, lossless, and the row says so."""
    batch = read(make_shards(tmp_path / "in", shards=1, each=1))
    image = batch.data[0]
    if how == "assigned":
        image.image_data = image.image_data[:20, :30] // 2
    else:
        image.image_data[:10] = 0
    expected = image.image_data.copy()
    _, found, (row,) = write(batch, tmp_path / "out")
    assert list(found) == ["k000.png", "k000.txt", "k000.json"]
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(found["k000.png"]))), expected)
    assert (row["format"], row["height"], row["width"]) == ("png", *expected.shape[:2])
    assert row["sha256"] == hashlib.sha256(found["k000.png"]).hexdigest()


@pytest.mark.parametrize(
    ("pixels", "mode"),
    [
        (np.full((4, 4), 9, np.uint8), "L"),
        (np.full((4, 4, 1), 9, np.uint8), "L"),
        (np.full((4, 4, 4), 9, np.uint8), "RGBA"),
        (np.full((4, 4, 3), 0.5, np.float32), "RGB"),
    ],
    ids=["grey", "one-channel", "alpha", "float"],
)
def test_images_made_of_pixels(tmp_path, pixels, mode):
    """An image that never had bytes is encoded, whatever its dtype and channels; floats are no black picture."""
    batch = ImageBatch(data=[ImageObject(image_id="made/x", image_data=pixels)])
    _, found, (row,) = write(batch, tmp_path / "out")
    assert list(found) == ["made/x.png"]
    picture = Image.open(io.BytesIO(found["made/x.png"]))
    assert (picture.mode, np.asarray(picture).max()) == (mode, 128 if pixels.dtype == np.float32 else 9)
    assert row["image_id"] == "made/x"


def test_keys_of_two_shards_that_clash(tmp_path):
    """Two shards with the same keys, written to one tar: the second key gets its shard's name, nothing is lost."""
    paths = make_shards(tmp_path / "in", shards=2, each=1)
    _, found, rows = write(read(paths), tmp_path / "out")
    assert list(found) == [
        "k000.jpg",
        "k000.txt",
        "k000.json",
        "00001__k000.jpg",
        "00001__k000.txt",
        "00001__k000.json",
    ]
    assert [row["image_id"] for row in rows] == ["00000/k000", "00001/k000"]
    assert [row["key"] for row in rows] == ["k000", "k000"]


def test_it_writes_whole_files_or_none(tmp_path, monkeypatch):
    """A disk that fails in the middle leaves nothing under a final name, and no rubbish."""
    batch = read(make_shards(tmp_path / "in", shards=1))
    writes = []

    def fail(table, file):
        writes.append(sorted(path.name for path in (tmp_path / "out").iterdir()))
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pq, "write_table", fail)
    with pytest.raises(OSError, match="No space left"):
        ImageWriterStage(str(tmp_path / "out")).process(batch)
    assert len(writes) == 1
    assert [path.suffix for path in (tmp_path / "out").iterdir()] == [".tar"]


def test_remove_image_data(tmp_path):
    """Pixels are freed once written; the bytes written are the same."""
    batch = read(make_shards(tmp_path / "in", shards=1, each=1))
    _, found, _ = write(batch, tmp_path / "out", remove_image_data=True)
    assert batch.data[0].image_data is None
    assert found["k000.jpg"] == members(1)[0][1]


def test_an_empty_batch_writes_nothing(tmp_path):
    """No image left, no file."""
    assert ImageWriterStage(str(tmp_path / "out")).process(ImageBatch()) is None
    assert not (tmp_path / "out").exists()


def test_loose_files(tmp_path):
    """Loose images keep their names' stems as keys and their own extensions, whatever the bytes are."""
    (tmp_path / "in" / "sub").mkdir(parents=True)
    (tmp_path / "in" / "sub" / "a.JPEG").write_bytes(encoded(photo(1)))
    (tmp_path / "in" / "b.jpg").write_bytes(encoded(photo(2), "PNG"))
    stages = [FilePartitioningStage(str(tmp_path / "in")), ImageReaderStage(), ImageWriterStage(str(tmp_path / "out"))]
    (done,) = Pipeline("p", stages=stages).run(LocalExecutor({"num_workers": 0}))
    assert tar_members(done.data[0]) == {
        "b.jpg": (tmp_path / "in" / "b.jpg").read_bytes(),
        "sub/a.JPEG": (tmp_path / "in" / "sub" / "a.JPEG").read_bytes(),
    }

"""PUBLIC_API section 2, "Image stages": names, modules, parameters and defaults, and what each row promises."""

from __future__ import annotations

import dataclasses
import importlib
import inspect

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.public_api.fakes import batch_of, ids, make_shards

from nemo_curator.errors import StageError
from nemo_curator.stages.file_partitioning import FilePartitioningStage
from nemo_curator.stages.image.deduplication.removal import ImageDuplicatesRemovalStage
from nemo_curator.stages.image.io.convert import ConvertImageBatchToDocumentBatchStage
from nemo_curator.stages.image.io.image_reader import ImageReaderStage
from nemo_curator.tasks import EmptyTask, FileGroupTask, ImageBatch, ImageObject
from nemo_curator.testing import encoded, photo

REQUIRED = dataclasses.MISSING
BASE = {
    "model_dir": None,
    "num_gpus_per_worker": 0.25,
    "model_inference_batch_size": 32,
    "score_threshold": 0.5,
    "verbose": False,
}
TABLE = [
    (
        "FilePartitioningStage",
        "file_partitioning",
        "stages.file_partitioning",
        {
            "file_paths": REQUIRED,
            "files_per_partition": None,
            "blocksize": None,
            "file_extensions": None,
            "storage_options": None,
            "limit": None,
        },
    ),
    (
        "ImageReaderStage",
        "image_reader",
        "stages.image.io.image_reader",
        {"dali_batch_size": 100, "verbose": True, "num_threads": 8, "num_gpus_per_worker": 0.25},
    ),
    (
        "ImageEmbeddingStage",
        "image_embedding",
        "stages.image.embedders.clip_embedder",
        {
            "model_dir": None,
            "num_gpus_per_worker": 0.25,
            "model_inference_batch_size": 32,
            "verbose": False,
            "remove_image_data": False,
        },
    ),
    ("ImageAestheticFilterStage", "image_aesthetic_filter", "stages.image.filters.aesthetic_filter", BASE),
    ("ImageNSFWFilterStage", "image_nsfw_filter", "stages.image.filters.nsfw_filter", {**BASE, "weights_path": None}),
    (
        "ImageDuplicatesRemovalStage",
        "image_dedup_filter",
        "stages.image.deduplication.removal",
        {"removal_parquets_dir": REQUIRED, "duplicate_id_field": "id", "verbose": False, "num_workers_per_node": None},
    ),
    (
        "ConvertImageBatchToDocumentBatchStage",
        "convert_image_batch_to_document_batch",
        "stages.image.io.convert",
        {"fields": []},
    ),
    (
        "ImageWriterStage",
        "image_writer",
        "stages.image.io.image_writer",
        {
            "output_dir": REQUIRED,
            "images_per_tar": 1000,
            "verbose": False,
            "deterministic_name": True,
            "remove_image_data": False,
        },
    ),
]


@pytest.mark.parametrize(("kind", "name", "module", "parameters"), TABLE, ids=[row[0] for row in TABLE])
def test_image_stage(kind, name, module, parameters):
    """The class stands in its module, has its name, and takes its parameters first, with their defaults."""
    stage = getattr(importlib.import_module(f"nemo_curator.{module}"), kind)
    arguments = {field: "x" for field, default in parameters.items() if default is REQUIRED}
    assert stage(**arguments).name == name
    taken = list(inspect.signature(stage).parameters)
    public = [parameter for parameter in taken if not parameter.startswith("_")]
    assert public[: len(parameters)] == list(parameters)
    for parameter, default in parameters.items():
        if default is not REQUIRED:
            assert getattr(stage(**arguments), parameter) == default


def _names(tasks):
    """File names of each task."""
    return [[path.rpartition("/")[2] for path in task.data] for task in tasks]


def test_partitioning_groups_by_number(tmp_path):
    """Sorted, `files_per_partition` in each, the last shorter, `limit` partitions at most, and no more."""
    make_shards(tmp_path, shards=5, each=1)
    stage = FilePartitioningStage(str(tmp_path), files_per_partition=2)
    assert _names(stage.process(EmptyTask())) == [
        ["00000.tar", "00001.tar"],
        ["00002.tar", "00003.tar"],
        ["00004.tar"],
    ]
    assert len(FilePartitioningStage(str(tmp_path), files_per_partition=2, limit=1).process(EmptyTask())) == 1


def test_partitioning_takes_a_list_and_patterns(tmp_path):
    """Paths may be several, or a pattern; the result is the same every time, ids and all."""
    paths = make_shards(tmp_path, shards=3, each=1)
    by_list = FilePartitioningStage([str(path) for path in paths]).process(EmptyTask())
    by_pattern = FilePartitioningStage(f"{tmp_path}/*.tar").process(EmptyTask())
    assert _names(by_list) == _names(by_pattern) == [["00000.tar"], ["00001.tar"], ["00002.tar"]]
    assert [task.task_id for task in by_list] == [task.task_id for task in by_pattern]
    assert len({task.task_id for task in by_list}) == 3


def test_partitioning_groups_by_bytes(tmp_path):
    """`blocksize` is a number or a text; a larger file is alone."""
    paths = make_shards(tmp_path, shards=3, each=1)
    size = paths[0].stat().st_size
    two = FilePartitioningStage(str(tmp_path), blocksize=size * 2 + 4096).process(EmptyTask())
    assert [len(task.data) for task in two] == [2, 1]
    assert len(FilePartitioningStage(str(tmp_path), blocksize="1GB").process(EmptyTask())) == 1
    assert len(FilePartitioningStage(str(tmp_path), blocksize="1KiB").process(EmptyTask())) == 3


def test_partitioning_refuses_both_sizes():
    """Two ways to say one thing are an error, told when the stage is made."""
    with pytest.raises(ValueError, match="files_per_partition or blocksize"):
        FilePartitioningStage("x", files_per_partition=1, blocksize=1)


def test_partitioning_extensions(tmp_path):
    """Left out, images (by content too) and tars; given, only those, with and without the dot."""
    make_shards(tmp_path, shards=1, each=1)
    (tmp_path / "photo.jpeg").write_bytes(encoded(photo(1)))
    (tmp_path / "misnamed").write_bytes(encoded(photo(2)))
    (tmp_path / "notes.parquet").write_bytes(b"no image")
    every = FilePartitioningStage(str(tmp_path)).process(EmptyTask())
    assert sorted(name for group in _names(every) for name in group) == ["00000.tar", "misnamed", "photo.jpeg"]
    for extension in ("parquet", ".PARQUET"):
        only = FilePartitioningStage(str(tmp_path), file_extensions=[extension]).process(EmptyTask())
        assert _names(only) == [["notes.parquet"]]


def test_reader_batches(tmp_path):
    """A group of files becomes batches of at most `dali_batch_size`, in source order, with ids, paths, pixels."""
    (path,) = make_shards(tmp_path, shards=1, each=5)
    task = FileGroupTask(data=[str(path)], _metadata={"input_root": str(tmp_path)}, dataset_name="set")
    batches = ImageReaderStage(dali_batch_size=2).process(task)
    assert [ids(batch) for batch in batches] == [
        ["00000/k000", "00000/k001"],
        ["00000/k002", "00000/k003"],
        ["00000/k004"],
    ]
    image = batches[0].data[0]
    assert image.image_data.shape == (48, 64, 3)
    assert image.image_data.dtype == np.uint8
    assert image.image_path == f"{path}#k000.jpg"
    assert image.metadata == {"seed": 0}
    assert {batch.dataset_name for batch in batches} == {"set"}


def test_reader_refuses_an_empty_task():
    """No file to read is a mistake of whoever made the task."""
    with pytest.raises(ValueError, match="No tar file paths"):
        ImageReaderStage().process(FileGroupTask())


def test_reader_outputs():
    """What the reader says it gives."""
    assert ImageReaderStage().outputs() == (["data"], ["image_data", "image_path", "image_id"])


def test_reader_quarantines_what_it_cannot_read(tmp_path):
    """A broken image is a record of its batch, and ends nothing."""
    (tmp_path / "a.jpg").write_bytes(encoded(photo(1)))
    (tmp_path / "b.jpg").write_bytes(encoded(photo(1))[:200])
    task = FileGroupTask(data=[str(tmp_path / name) for name in ("a.jpg", "b.jpg", "c.jpg")])
    (batch,) = ImageReaderStage().process(task)
    assert ids(batch) == ["a.jpg"]
    assert [(one.image_id, one.verdict) for one in batch.records] == [("b.jpg", "quarantine"), ("c.jpg", "quarantine")]
    assert all(one.code and one.detail for one in batch.records)


def _listed(folder, column, listed, name="part.parquet"):
    """Write a Parquet of ids, as a deduplication would."""
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({column: listed}), folder / name)


def test_removal_drops_listed_images(tmp_path):
    """Ids of all Parquet files, at any depth, leave the batch, each with a record."""
    _listed(tmp_path / "dups", "id", ["i1"])
    _listed(tmp_path / "dups" / "deeper", "id", ["i3", "unknown"], "other.parquet")
    stage = ImageDuplicatesRemovalStage(str(tmp_path / "dups"))
    stage.setup()
    done = stage.process(batch_of([0] * 4, dataset_name="set", _metadata={"a": 1}))
    assert ids(done) == ["i0", "i2"]
    assert [(one.image_id, one.verdict, one.rule) for one in done.records] == [
        ("i1", "reject", "image_dedup_filter"),
        ("i3", "reject", "image_dedup_filter"),
    ]
    assert (done.dataset_name, done._metadata) == ("set", {"a": 1})


def test_removal_takes_the_ids_column(tmp_path):
    """`duplicate_id_field` names the column; one that is not there is said, with those that are."""
    _listed(tmp_path, "image", ["i0"])
    stage = ImageDuplicatesRemovalStage(str(tmp_path), duplicate_id_field="image", num_workers_per_node=3)
    stage.setup()
    assert ids(stage.process(batch_of([0, 0]))) == ["i1"]
    assert stage.num_workers() == 3
    assert stage.with_(num_workers=5).num_workers() == 5
    with pytest.raises(ValueError, match=r"no column 'id'.*image"):
        ImageDuplicatesRemovalStage(str(tmp_path)).setup()


@pytest.mark.parametrize("there", [True, False])
def test_removal_refuses_a_folder_without_parquet(tmp_path, there):
    """No Parquet file, or no folder, is a `FileNotFoundError`."""
    folder = tmp_path / "dups"
    if there:
        folder.mkdir()
        (folder / "notes.txt").write_text("nothing")
    with pytest.raises(FileNotFoundError):
        ImageDuplicatesRemovalStage(str(folder)).setup()


def _image(**fields):
    """An image named `a`."""
    return ImageObject(image_id="a", image_path="p", **fields)


def test_convert_defaults_to_ids():
    """One row an image, `image_id` alone; what the batch was, the table is."""
    batch = batch_of([0, 0], dataset_name="set", _metadata={"a": 1}, task_id="t")
    done = ConvertImageBatchToDocumentBatchStage().process(batch)
    assert done.to_pyarrow().to_pydict() == {"image_id": ["i0", "i1"]}
    assert (done.dataset_name, done._metadata, done.task_id) == ("set", {"a": 1}, "t")


def test_convert_fields():
    """Attributes and scores become columns, arrays lists of their own type, metadata JSON."""
    image = _image(embedding=np.array([0.6, 0.8], np.float32), metadata={"a": 1}, scores={"sharpness": 0.5})
    fields = ["image_id", "embedding", "aesthetic_score", "metadata", "sharpness"]
    table = ConvertImageBatchToDocumentBatchStage(fields=fields).process(ImageBatch(data=[image])).to_pyarrow()
    assert table.column_names == fields
    assert table.schema.field("embedding").type == pa.list_(pa.float32())
    assert table.schema.field("aesthetic_score").type == pa.float64()
    (row,) = table.to_pylist()
    assert (row["image_id"], row["metadata"], row["sharpness"], row["aesthetic_score"]) == ("a", '{"a": 1}', 0.5, None)
    assert row["embedding"] == pytest.approx([0.6, 0.8])


def test_convert_types_do_not_depend_on_the_rows():
    """Files of an empty batch, or of one without values, join with the others."""
    stage = ConvertImageBatchToDocumentBatchStage(fields=["image_id", "embedding", "nsfw_score", "metadata"])
    full = _image(embedding=np.ones(1, np.float32), nsfw_score=0.5, metadata={"a": 1})
    schemas = {str(stage.process(ImageBatch(data=data)).to_pyarrow().schema) for data in ([], [_image()], [full])}
    assert len(schemas) == 1


def test_convert_refuses_an_unknown_field():
    """A field that no image has is said, with the image."""
    with pytest.raises(ValueError, match=r"'a' has no field or score 'nothing'"):
        ConvertImageBatchToDocumentBatchStage(fields=["nothing"]).process(ImageBatch(data=[_image()]))


def test_scoring_without_embeddings_is_explained(shared_models):
    """A filter that needs embeddings says which stage is missing before it."""
    from nemo_curator.stages.image.filters.aesthetic_filter import ImageAestheticFilterStage

    stage = ImageAestheticFilterStage(model_dir=str(shared_models))
    stage.setup()
    with pytest.raises(StageError, match="embedding stage"):
        stage.process(ImageBatch(data=[_image()]))

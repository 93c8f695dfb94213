"""PUBLIC_API section 2, "Tasks", one test a name."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from nemo_curator.tasks import (
    DocumentBatch,
    EmptyTask,
    FileGroupTask,
    ImageBatch,
    ImageObject,
    StagePerfStats,
    Task,
)

CONCRETE = [ImageBatch, FileGroupTask, DocumentBatch, EmptyTask]


def test_task_is_abstract():
    """`num_items` and `validate` are what a task must write."""
    assert Task.__abstractmethods__ == {"num_items", "validate"}
    with pytest.raises(TypeError, match="abstract"):
        Task()


@pytest.mark.parametrize("kind", CONCRETE)
def test_task_fields(kind):
    """Every task is built with or without an id and has the documented fields."""
    task = kind(dataset_name="set", _metadata={"a": 1}, _stage_perf=[])
    assert isinstance(task, Task)
    assert (task.dataset_name, task._metadata, task._stage_perf) == ("set", {"a": 1}, [])
    assert kind(task_id="t").task_id == "t"


@pytest.mark.parametrize("kind", CONCRETE)
def test_task_add_stage_perf(kind):
    """Timings are appended, and tasks do not share them."""
    task, other = kind(), kind()
    task.add_stage_perf(StagePerfStats("stage", 1.5, 3))
    assert [(perf.stage_name, perf.process_time, perf.num_items_processed) for perf in task._stage_perf] == [
        ("stage", 1.5, 3)
    ]
    assert other._stage_perf == []


def test_a_task_of_ones_own():
    """A user's task writes `num_items` and `validate`, and is a task."""

    class Numbers(Task[list[int]]):
        @property
        def num_items(self):
            return len(self.data)

        def validate(self):
            return all(number > 0 for number in self.data)

    assert (Numbers(data=[1, 2]).num_items, Numbers(data=[0]).validate()) == (2, False)


@pytest.mark.parametrize(
    ("field", "default"),
    [
        ("image_path", ""),
        ("image_id", ""),
        ("metadata", {}),
        ("image_data", None),
        ("embedding", None),
        ("aesthetic_score", None),
        ("nsfw_score", None),
    ],
)
def test_image_object(field, default):
    """Each documented field has its default."""
    assert getattr(ImageObject(), field) == default


def test_image_object_positional():
    """The documented fields come first, in their order."""
    pixels, embedding = np.zeros((1, 1, 3), np.uint8), np.ones(1, np.float32)
    image = ImageObject("p", "i", {"a": 1}, pixels, embedding, 5.0, 0.5)
    assert (image.image_path, image.image_id, image.metadata) == ("p", "i", {"a": 1})
    assert image.image_data is pixels
    assert (image.embedding is embedding, image.aesthetic_score, image.nsfw_score) == (True, 5.0, 0.5)


def test_image_object_metadata_is_not_shared():
    """Each image has a mapping of its own."""
    ImageObject().metadata["a"] = 1
    assert ImageObject().metadata == {}


def test_new_pixels_replace_the_bytes():
    """Assigning pixels declares an edit: neither the bytes nor the views show it any more."""
    image = ImageObject(image_data=np.zeros((2, 2, 3), np.uint8), encoded=b"jpeg", views={"view": "old"})
    assert (image.encoded, image.views) == (b"jpeg", {"view": "old"})
    image.image_data = np.ones((2, 2, 3), np.uint8)
    assert (image.encoded, image.views) == (None, {})


def test_freed_pixels_leave_the_bytes():
    """Assigning None frees memory and declares no edit."""
    image = ImageObject(image_data=np.zeros((2, 2, 3), np.uint8), encoded=b"jpeg", views={"view": "old"})
    image.image_data = None
    assert (image.encoded, image.views) == (b"jpeg", {"view": "old"})


def test_edits_inside_the_array_are_found():
    """Pixels that are no longer what the bytes decode to are an edit, also in a strided array."""
    image = ImageObject(encoded=b"jpeg")
    image.attach_pixels(np.zeros((4, 4, 3), np.uint8)[:, ::2])
    assert not image.edited_in_place()
    image.image_data[0, 0, 0] = 1
    assert image.edited_in_place()


def test_image_batch():
    """`data` is a list of images, `num_items` their number; an empty batch is valid, other payloads are not."""
    batch = ImageBatch(data=[ImageObject(), ImageObject()])
    assert (batch.num_items, batch.validate()) == (2, True)
    assert (ImageBatch().num_items, ImageBatch().validate()) == (0, True)
    assert not ImageBatch(data=["no image"]).validate()
    assert not ImageBatch(data=(ImageObject(),)).validate()


def test_file_group_task():
    """`data` is a list of paths, `reader_config` a mapping; an empty group is not valid."""
    group = FileGroupTask(data=["a.tar", "b.tar"], reader_config={"mode": "r"})
    assert (group.num_items, group.validate(), group.reader_config) == (2, True, {"mode": "r"})
    assert not FileGroupTask().validate()
    assert not FileGroupTask(data=["a.tar", ""]).validate()
    assert not FileGroupTask(data=[1]).validate()


def test_empty_task():
    """No payload, no items, always valid."""
    task = EmptyTask()
    assert (task.data, task.num_items, task.validate()) == (None, 0, True)


def test_document_batch_of_arrow():
    """An Arrow table goes in and comes out of both doors."""
    pandas = pytest.importorskip("pandas")
    table = pa.table({"id": ["a", "b"], "n": [1, 2]})
    batch = DocumentBatch(data=table)
    assert (batch.num_items, batch.get_columns(), batch.validate()) == (2, ["id", "n"], True)
    assert batch.to_pyarrow() is table
    pandas.testing.assert_frame_equal(batch.to_pandas(), pandas.DataFrame({"id": ["a", "b"], "n": [1, 2]}))


def test_document_batch_of_pandas():
    """A pandas frame goes in and comes out of both doors; its index is no column."""
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"id": ["a", "b"]}, index=[5, 6])
    batch = DocumentBatch(data=frame)
    assert (batch.num_items, batch.get_columns(), batch.validate()) == (2, ["id"], True)
    assert batch.to_pandas() is frame
    assert batch.to_pyarrow().to_pydict() == {"id": ["a", "b"]}


def test_document_batch_of_something_else():
    """What is no table is not valid, and is refused by name."""
    batch = DocumentBatch(data=[1, 2])
    assert not batch.validate()
    with pytest.raises(TypeError, match="list"):
        batch.to_pyarrow()

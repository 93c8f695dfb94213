"""The codec of checkpoints: whatever goes in comes out equal, of the same class, or is refused by name."""

from __future__ import annotations

import datetime as dt
import json
from collections import OrderedDict

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from tests.pipeline.checkpoint_stages import Own, told

from nemo_curator.kernels.header import ImageHeader
from nemo_curator.kernels.source import Member, Source
from nemo_curator.kernels.view import View
from nemo_curator.pipeline.checkpointing.directory import CheckpointDirectory
from nemo_curator.pipeline.checkpointing.opaque import OpaqueError
from nemo_curator.pipeline.checkpointing.values import Packer, Unpacker
from nemo_curator.tasks import (
    DocumentBatch,
    EmptyTask,
    FileGroupTask,
    ImageBatch,
    ImageObject,
    Record,
    StagePerfStats,
)

TEXTS = st.text(st.characters(codec=None, exclude_categories=()), max_size=6)  # lone surrogates too: names of files
INTS = st.integers(-(2**70), 2**70)
FLOATS = st.floats(allow_nan=True)
ARRAYS = npst.arrays(
    st.one_of(
        npst.boolean_dtypes(),
        npst.integer_dtypes(endianness="?"),
        npst.floating_dtypes(endianness="?"),
        npst.unicode_string_dtypes(max_len=3),
        npst.datetime64_dtypes(),
    ),
    npst.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3),
)
LEAVES = st.one_of(st.none(), st.booleans(), INTS, FLOATS, TEXTS, st.binary(max_size=9), ARRAYS)
KEYS = st.one_of(TEXTS, st.just("$"), INTS, st.tuples(INTS, TEXTS), st.none())
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.tuples(inner, inner),
        st.dictionaries(KEYS, inner, max_size=3),
        st.frozensets(st.one_of(INTS, TEXTS), max_size=3),
        st.sets(INTS, max_size=3),
    ),
    max_leaves=8,
)
NAMED = st.dictionaries(TEXTS, VALUES, max_size=2)
SCALARS = st.one_of(st.none(), st.booleans(), INTS, FLOATS, TEXTS)
HEADERS = st.none() | st.builds(ImageHeader, TEXTS, INTS, INTS, TEXTS, INTS, INTS, INTS, st.booleans(), TEXTS, INTS)
HEARD = {"truncated": st.none() | st.booleans(), "warnings": st.lists(TEXTS, max_size=2).map(tuple)}
SOURCES = st.builds(
    Source,
    *[TEXTS] * 4,
    members=st.lists(st.builds(Member, TEXTS, TEXTS, INTS, INTS, TEXTS), max_size=2).map(tuple),
    primary=INTS,
    location=TEXTS,
    ordinal=INTS,
)
SIDECARS = st.dictionaries(TEXTS, st.binary(max_size=5), max_size=2)
PIXELS = npst.arrays(np.uint8, st.tuples(st.integers(0, 3), st.integers(1, 3), st.just(3)))
IMAGES = st.builds(
    ImageObject,
    image_path=TEXTS,
    image_id=TEXTS,
    metadata=NAMED,
    image_data=st.none() | PIXELS,
    embedding=st.none() | npst.arrays(np.float32, 4),
    aesthetic_score=st.none() | FLOATS,
    nsfw_score=st.none() | FLOATS,
    encoded=st.none() | st.binary(max_size=9),
    header=HEADERS,
    sidecars=SIDECARS,
    source=SOURCES,
    views=st.dictionaries(st.builds(View, INTS, crop=st.none() | INTS), PIXELS, max_size=2),
    scores=st.dictionaries(TEXTS, SCALARS, max_size=2),
    _pixels_crc=st.none() | INTS,
    **HEARD,
)
RECORDS = st.builds(
    Record,
    *[TEXTS] * 4,
    score=st.none() | FLOATS,
    threshold=st.none() | FLOATS,
    code=TEXTS,
    detail=TEXTS,
    source=SOURCES,
    header=HEADERS,
    scores=st.dictionaries(TEXTS, SCALARS, max_size=2),
    sidecars=SIDECARS,
    metadata=NAMED,
    **HEARD,
)
PERF = st.lists(st.builds(StagePerfStats, TEXTS, FLOATS, INTS, st.dictionaries(TEXTS, FLOATS, max_size=1)), max_size=1)
COMMON = {"dataset_name": TEXTS, "_metadata": NAMED, "task_id": TEXTS, "_stage_perf": PERF}
TABLES = st.lists(st.tuples(INTS.map(str), st.none() | FLOATS, st.binary(max_size=3)), max_size=3).map(
    lambda rows: pa.table(
        {name: pa.array([row[at] for row in rows], kind) for at, (name, kind) in enumerate(COLUMNS.items())}
    )
)
COLUMNS = {"t": pa.string(), "f": pa.float64(), "b": pa.binary()}
TASKS = st.one_of(
    st.builds(FileGroupTask, data=st.lists(TEXTS, max_size=3), reader_config=NAMED, **COMMON),
    st.builds(ImageBatch, data=st.lists(IMAGES, max_size=2), records=st.lists(RECORDS, max_size=2), **COMMON),
    st.builds(DocumentBatch, data=TABLES, **COMMON),
    st.builds(EmptyTask, **COMMON),
)


def there_and_back(value):
    """Through a document of strict JSON and its buffers."""
    packer = Packer()
    text = json.dumps(packer.plain(value), allow_nan=False)
    return Unpacker(packer.buffers.__getitem__).value(json.loads(text))


@given(VALUES)
def test_values(value):
    """Whatever may stand in metadata."""
    assert told(there_and_back(value)) == told(value)


@given(TASKS)
def test_tasks(task):
    """Every kind of task, with every field set to anything; timings to the last bit."""
    back = there_and_back(task)
    assert told(back) == told(task)
    assert repr(back._stage_perf) == repr(task._stage_perf)


def test_every_field_is_in_the_strategies():
    """A field that is added to a task must be added here."""
    image = ImageObject()
    assert set(vars(image)) == {
        *("image_path", "image_id", "metadata", "image_data", "embedding", "aesthetic_score", "nsfw_score"),
        *("encoded", "header", "sidecars", "source", "views", "scores", "truncated", "warnings", "_pixels_crc"),
        "derived",  # computed anew where it is missing: see below
    }
    assert set(Record.__slots__) == {
        *("image_id", "verdict", "stage", "rule", "score", "threshold", "code", "detail"),
        *("source", "header", "scores", "sidecars", "metadata", "truncated", "warnings"),
    }


def test_what_is_computed_anew_is_not_stored():
    """What stages derived of an image for one another stays out of a checkpoint, even if nothing could store it."""
    image = ImageObject(image_id="a", derived={"luma": object()})
    (back,) = there_and_back(ImageBatch(data=[image])).data
    assert (back.image_id, back.derived) == ("a", {})


@given(task=TASKS)
def test_through_a_file(tmp_path_factory, task):
    """The same through a real file."""
    directory = CheckpointDirectory(str(tmp_path_factory.mktemp("c")))
    directory.save("0" * 32, {"results": [task]})
    assert told(directory.load("0" * 32)) == told({"results": [task]})


def test_attributes_of_the_users_own():
    """What a stage hangs on an image besides its fields comes back."""
    image = ImageObject(image_id="a", encoded=b"x")
    image.caption, image.boxes = "a cat", np.arange(4)
    back = there_and_back(image)
    assert (back.caption, back.boxes.tolist(), back.encoded) == ("a cat", [0, 1, 2, 3], b"x")


def test_bytes_that_are_shared_are_kept_once():
    """A rejected image's sidecars stand in its record and in the batch: one buffer."""
    sidecars = {".txt": b"x" * 1000}
    packer = Packer()
    packer.plain([ImageObject(sidecars=sidecars), Record("a", "reject", "s", sidecars=sidecars)])
    assert packer.buffers == [b"x" * 1000]


def test_arrays_of_odd_layout():
    """Slices, transposed and Fortran arrays have the same contents; a record array has its fields."""
    base = np.arange(24).reshape(4, 6)
    for array in (base[::2, 1:4], base.T, np.asfortranarray(base), np.zeros(2, [("a", "<i4"), ("b", "<f8")])):
        back = there_and_back(array)
        assert back.dtype == array.dtype
        np.testing.assert_array_equal(back, array)


@given(st.data())
def test_frames(data):
    """Frames of pandas with numbers, texts, categories, missing values, lists, and labels of all kinds."""
    pandas = pytest.importorskip("pandas")
    rows = data.draw(st.integers(0, 3))
    kinds = [
        st.lists(FLOATS, min_size=rows, max_size=rows).map(lambda one: pandas.Series(one, dtype="float64")),
        st.lists(st.integers(0, 255), min_size=rows, max_size=rows).map(lambda one: pandas.Series(one, dtype="uint8")),
        st.lists(VALUES, min_size=rows, max_size=rows).map(lambda one: pandas.Series(one, dtype=object)),
        st.lists(st.sampled_from("xy"), min_size=rows, max_size=rows).map(
            lambda one: pandas.Series(one, dtype=pandas.CategoricalDtype(["x", "y"]))
        ),
        st.lists(st.none() | st.integers(0, 9), min_size=rows, max_size=rows).map(
            lambda one: pandas.Series(one, dtype="Int64")
        ),
    ]
    columns = data.draw(st.lists(st.one_of(*kinds), max_size=4))
    frame = pandas.concat(columns, axis=1) if columns else pandas.DataFrame(index=range(rows))
    frame.columns = data.draw(st.sampled_from([list("abcd"), list("aabb"), [7, 8, 9, 10]]))[: len(columns)]
    frame.index = data.draw(st.sampled_from([range(3), list("pqr"), [3, 1, 2]]))[:rows]
    back = there_and_back(frame)
    typed = [at for at, dtype in enumerate(frame.dtypes) if str(dtype) != "object"]
    pandas.testing.assert_frame_equal(back.iloc[:, typed], frame.iloc[:, typed], check_column_type=False)
    assert back.dtypes.equals(frame.dtypes)
    assert [told(back.iloc[:, at].tolist()) for at in range(len(columns))] == [
        told(frame.iloc[:, at].tolist()) for at in range(len(columns))
    ]


class Strange(ImageObject):
    """A user's own kind of image."""


REFUSED = {
    "a datetime": (dt.datetime(2020, 1, 1, tzinfo=dt.UTC), "datetime.datetime"),
    "a function": (told, "function"),
    "an object array": (np.array([{}], dtype=object), "numpy array of object"),
    "a subclass of dict": (OrderedDict(a=1), "collections.OrderedDict"),
    "a subclass of an image": (Strange(), "Strange"),
    "a task of one's own": (Own(), "Own"),
    "a masked array": (np.ma.array([1, 2], mask=[0, 1]), "MaskedArray"),
    "a file": (Own, "type|ABCMeta"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_no_data_is_refused(what):
    """By class, and with the place where it stands."""
    value, kind = REFUSED[what]
    batch = ImageBatch(data=[ImageObject(), ImageObject(metadata={"a": [0, {"b": value}]})])
    with pytest.raises(OpaqueError, match=kind) as caught:
        Packer().plain([batch])
    assert caught.value.path == "[0].data[1].metadata['a'][1]['b']"


@pytest.mark.parametrize("dtype", ["complex128", "datetime64[ns, UTC]"])
def test_frames_are_kept_exactly_or_refused(dtype):
    """A column that Arrow does not know is refused; one with a time zone comes back with it."""
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": pandas.Series([1], dtype="int64").astype(dtype)})
    if dtype == "complex128":
        with pytest.raises(OpaqueError, match="pandas frame"):
            there_and_back(frame)
    else:
        pandas.testing.assert_frame_equal(there_and_back(frame), frame)

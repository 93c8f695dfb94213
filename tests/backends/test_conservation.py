"""`settle`: whatever a stage does to its batch, every image is in play or in one record."""

from __future__ import annotations

import copy
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from nemo_curator.backends.conservation import settle
from nemo_curator.tasks import DocumentBatch, ImageBatch, ImageObject, Record


def images(names):
    """An image a name."""
    return [ImageObject(image_id=name) for name in names]


FATES = st.sampled_from(["kept", "copied", "recorded", "dropped"])
NAMES = st.sampled_from(["", "a", "b", "c", "d"])  # ids made by hand repeat, and may be empty


@given(st.lists(st.tuples(NAMES, FATES)), st.lists(NAMES), st.integers(0, 2), st.booleans())
def test_conservation(fates, earlier, records_fate, has_batch):
    """Inputs = in play + recorded, by id and number, for arbitrary drops, copies and records."""
    given_images = images(name for name, _ in fates)
    given_records = [Record(name, "reject", "before") for name in earlier]
    carried = [given_records, copy.deepcopy(given_records), []][records_fate]
    result = ImageBatch(records=list(carried))
    for image, (name, fate) in zip(given_images, fates, strict=True):
        if fate == "kept" or (fate == "copied" and not name):  # a copy without an id is another image
            result.data.append(image)
        elif fate == "copied":
            result.data.append(ImageObject(image_id=name))
        elif fate == "recorded":
            result.records.append(image.rejected(stage="stage"))
    after = [result] if has_batch else []
    left = settle("stage", given_images, given_records, after)
    found = [*left, *(result.records if has_batch else [])]
    in_play = [image.image_id for image in result.data] if has_batch else []
    expected = Counter([*earlier, *(name for name, _ in fates)])
    assert Counter([*in_play, *(record.image_id for record in found)]) == expected
    assert left == [] or not has_batch


@given(st.lists(NAMES, max_size=5))
def test_what_became_rows_is_not_rejected(earlier):
    """Images that became rows or files are not lost; the records that no batch carries any more are handed back."""
    records = [Record(name, "reject", "before") for name in earlier]
    assert settle("stage", images(["x"]), records, [DocumentBatch()]) == records


def test_a_vanished_image_is_rejected_in_the_stages_name():
    """The record says which stage dropped it, as its rule."""
    batch = ImageBatch(data=images(["a"]))
    settle("stage", images(["a", "b"]), [], [batch])
    (record,) = batch.records
    assert (record.image_id, record.verdict, record.stage, record.rule) == ("b", "reject", "stage", "stage")


def test_renamed_images_are_the_same_images():
    """A stage may change ids in place."""
    (image,) = found = images(["a"])
    image.image_id = "new"
    batch = ImageBatch(data=found)
    assert settle("stage", found, [], [batch]) == []
    assert batch.records == []

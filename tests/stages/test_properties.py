"""Laws that hold for all inputs, not only for those that somebody thought of."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nemo_curator.backends.local import LocalExecutor
from nemo_curator.kernels.sizes import parse_size
from nemo_curator.kernels.view import View
from nemo_curator.stages.base import ProcessingStage
from nemo_curator.stages.image.filters.base import BaseFilterStage
from nemo_curator.tasks import ImageBatch, ImageObject

SIDES = st.integers(1, 70_000)
VIEWS = st.builds(
    View,
    size=st.integers(1, 1024),
    fit=st.sampled_from(["short", "long", "squash"]),
    crop=st.none() | st.integers(1, 1024),
    enlarge=st.booleans(),
)
UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "KB": 10**3, "mb": 10**6, "GiB": 2**30, "MiB": 2**20, "b": 1}


class Fans(ProcessingStage[ImageBatch, ImageBatch]):
    """Turns the n-th batch into as many as it is told, some with ids of their own and some without."""

    def __init__(self, plan):
        """Keep the plan: for each batch, whether each result brings an id."""
        self.plan = plan

    def process(self, task):
        """None, one or several."""
        made = []
        for own in self.plan[task._metadata["n"] % len(self.plan)]:
            made.append(ImageBatch(_metadata={"n": len(made)}, task_id=task.task_id if own else ""))
        return made


@given(st.lists(st.floats(0, 1), max_size=40), st.integers(1, 50))
def test_yield_next_batch_partitions(scores, size):
    """The slices are all images, in order, once; all are full but the last, and none is empty."""
    batch = ImageBatch(data=[ImageObject(metadata={"score": score}) for score in scores])
    slices = list(BaseFilterStage(model_inference_batch_size=size).yield_next_batch(batch))
    assert [image for one in slices for image in one] == batch.data
    assert all(len(one) == size for one in slices[:-1])
    assert all(0 < len(one) <= size for one in slices)


@given(
    st.lists(st.one_of(st.floats(width=32), st.just(float("nan")), st.just(0.5)), max_size=40),
    st.integers(1, 9),
    st.floats(allow_nan=False, width=32),
    st.sampled_from(["below", "at_or_above"]),
)
def test_a_filter_accounts_for_every_image(scores, size, threshold, side):
    """Kept, rejected or quarantined, each once, by the documented side of the threshold."""

    class Filter(BaseFilterStage):
        keep = side

        def score(self, images):
            return np.array([image.metadata["score"] for image in images])

    batch = ImageBatch(
        data=[ImageObject(image_id=f"{number}", metadata={"score": score}) for number, score in enumerate(scores)]
    )
    done = Filter(score_threshold=threshold, model_inference_batch_size=size).process(batch)
    stays = (lambda score: score < threshold) if side == "below" else (lambda score: score >= threshold)
    assert [image.image_id for image in done.data] == [f"{n}" for n, score in enumerate(scores) if stays(score)]
    quarantined = {record.image_id for record in done.records if record.verdict == "quarantine"}
    assert quarantined == {f"{n}" for n, score in enumerate(scores) if np.isnan(score)}
    assert sorted([*(image.image_id for image in done.data), *(one.image_id for one in done.records)]) == sorted(
        image.image_id for image in batch.data
    )


@given(VIEWS, SIDES, SIDES)
def test_view_geometry(view, width, height):
    """A view has at least a pixel, its named side is `size`, nothing grows unless allowed, the crop is inside."""
    across, down = view.resized(width, height)
    assert across >= 1
    assert down >= 1
    if view.fit == "squash":
        assert (across, down) in ((view.size, view.size), (width, height))
    elif (across, down) != (width, height):
        named = (min if view.fit == "short" else max)(across, down)
        assert named == view.size or min(across, down) == 1
        assert abs(across * height - down * width) <= max(width, height)  # the aspect, to within a pixel
    if not view.enlarge and view.fit != "squash":
        assert across <= width
        assert down <= height
    left, top, right, bottom = view.cropped(across, down)
    assert 0 <= left < right <= across
    assert 0 <= top < bottom <= down
    if view.crop is not None:
        assert (right - left, bottom - top) == (min(view.crop, across), min(view.crop, down))
        assert abs(left - (across - right)) <= 1
        assert abs(top - (down - bottom)) <= 1


@given(VIEWS, SIDES, SIDES)
def test_view_geometry_is_symmetric(view, width, height):
    """Turning a picture turns its view."""
    across, down = view.resized(width, height)
    assert view.resized(height, width) == (down, across)
    left, top, right, bottom = view.cropped(across, down)
    assert view.cropped(down, across) == (top, left, bottom, right)


@given(st.lists(st.lists(st.lists(st.booleans(), max_size=3), min_size=1, max_size=3), max_size=4), st.integers(1, 4))
def test_task_ids_are_unique_and_deterministic(plans, tasks):
    """Whatever stages make of tasks, every result has an id of its own, the same in every run."""

    def run():
        given_tasks = [ImageBatch(_metadata={"n": number}) for number in range(tasks)]
        results = LocalExecutor({"num_workers": 0}).execute([Fans(plan) for plan in plans], given_tasks)
        return [task.task_id for task in results]

    ids = run()
    assert ids == run()
    assert len(set(ids)) == len(ids)
    assert all(ids)


@given(st.integers(0, 10**6), st.sampled_from(sorted(UNITS)), st.sampled_from(["", " ", "  "]))
def test_parse_size(number, unit, space):
    """A number and a unit, in any case, with or without space, are their product; whole numbers are themselves."""
    assert parse_size(f"{space}{number}{space}{unit}{space}") == number * UNITS[unit]
    assert parse_size(f"{number}{unit.swapcase()}") == number * UNITS[unit]
    assert parse_size(number) == number


@given(st.text(max_size=8))
def test_parse_size_refuses_or_gives_a_size(text):
    """No text gives anything but a whole number of at least 0, or a `ValueError` that shows it."""
    try:
        size = parse_size(text)
    except ValueError as error:
        size, said = 0, str(error)
    else:
        said = repr(text)
    assert size >= 0
    assert repr(text) in said


@pytest.mark.parametrize("wrong", [True, None, 1.5, "-1", "1e6", "1 TBx", "", "M"])
def test_parse_size_refuses(wrong):
    """What is no size is refused with an example of one."""
    with pytest.raises(ValueError, match="such as 100M"):
        parse_size(wrong)

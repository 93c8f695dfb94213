"""The gate of a lazy scoring: marks that depend on an image's own row."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.runs.tables import listed

from nemo_curator.kernels.header import ImageHeader
from nemo_curator.runs.deciding import parse_rule
from nemo_curator.runs.lazy_gate import LazyGateStage
from nemo_curator.runs.parts import part_schema
from nemo_curator.stages.declarations import Column
from nemo_curator.stages.image.rejections import rejected_by
from nemo_curator.tasks import ImageBatch, ImageObject

COLUMNS = (Column("a"),)
RULES = {at: parse_rule(f"r{at}", text, part_schema(COLUMNS).names) for at, text in ((2, "width < 50"), (5, "a > 1"))}


def image(image_id: str, width: int, **scores) -> ImageObject:
    """An image of which no more is known."""
    return ImageObject(image_id=image_id, header=ImageHeader("jpeg", width, 100), scores=scores)


def marks(gate: LazyGateStage, *images: ImageObject) -> list[set[int]]:
    """The marks that a gate leaves on a batch."""
    gate.setup()
    try:
        return [set(rejected_by(one)) for one in gate.process(ImageBatch(data=list(images))).data]
    finally:
        gate.teardown()


def test_marks_are_the_numbers_of_the_rules():
    """Each image has the numbers of all rules that are true for it; a missing score makes none true."""
    found = marks(LazyGateStage(RULES, COLUMNS), image("x", 10, a=2.0), image("y", 60), image("z", 60, a=1.5))
    assert found == [{2, 5}, set(), {5}]


def test_a_gate_travels_to_a_worker():
    """Pickled and unpickled before its setup, it marks as it would have."""
    gate = pickle.loads(pickle.dumps(LazyGateStage(RULES, COLUMNS)))  # noqa: S301 (our own, of this line)
    assert marks(gate, image("x", 10)) == [{2}]


def test_without_images_or_without_setup():
    """An empty batch passes; a gate that was not set up says so."""
    assert marks(LazyGateStage(RULES, COLUMNS)) == []
    with pytest.raises(RuntimeError, match="was not set up"):
        LazyGateStage(RULES, COLUMNS).process(ImageBatch(data=[image("x", 10)]))


@given(st.sets(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1).filter(str.strip), max_size=8))
def test_listed_images_have_no_marks(tmp_path_factory, ids):
    """What the allow list names is rejected by no rule, whatever its name is made of."""
    some = sorted(ids)
    allow = listed(tmp_path_factory.mktemp("lists"), *some[::2])
    found = marks(LazyGateStage(RULES, COLUMNS, allow), *(image(one, 10) for one in some))
    assert found == [set() if at % 2 == 0 else {2} for at in range(len(some))]

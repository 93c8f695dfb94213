"""Filters in hand-made pipelines: a threshold that does not fit the scores is said, once, with the quantiles."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from loguru import logger

from nemo_curator.stages.declarations import Column
from nemo_curator.stages.image.filters.base import BaseFilterStage
from nemo_curator.stages.image.filters.seen_scores import SeenScores
from nemo_curator.tasks import ImageBatch, ImageObject


@dataclass
class Plain(BaseFilterStage):
    """Scores by the image's metadata, on a scale from 1 to 10 that it does not declare."""

    _name: str = "image_plain_filter"

    def setup(self, _worker_metadata: Any = None) -> None:
        """Without a word to the base."""

    def score(self, images: list[ImageObject]) -> Any:
        """`(N,)` scores."""
        return np.array([image.metadata["score"] for image in images])


@dataclass
class Ranged(Plain):
    """Declares its scale."""

    columns: ClassVar[tuple[Column, ...]] = (Column("beauty", range=(1.0, 10.0)),)
    keep: ClassVar[Literal["below", "at_or_above"]] = "at_or_above"


@dataclass
class Documented(Plain):
    """Has a default threshold of its own."""

    score_threshold: float = 0.8


@dataclass
class Unruly(Plain):
    """Overrides whatever it likes without a word to the base."""

    def __post_init__(self) -> None:
        """Without the base's."""

    def teardown(self) -> None:
        """Without the base's."""


@pytest.fixture
def said() -> Iterator[list[str]]:
    """Warnings that are logged during a test."""
    messages: list[str] = []
    sink = logger.add(lambda message: messages.append(message.record["message"]), level="WARNING")
    yield messages
    logger.remove(sink)


def worked(stage: BaseFilterStage, scores: list[float]) -> BaseFilterStage:
    """The stage after one worker's life over images of these scores, in batches of seven."""
    stage.setup()
    for start in range(0, len(scores), 7):
        images = [
            ImageObject(image_id=f"{at}", metadata={"score": one})
            for at, one in enumerate(scores[start : start + 7], start)
        ]
        stage.process(ImageBatch(data=images))
    stage.teardown()
    return stage


SCALE = [1 + 9 * at / 199 for at in range(200)]


def test_a_threshold_outside_the_declared_range(said):
    """A worker's first batch says so, once, and at no border of the range."""
    for inside in (1.0, 10.0):
        worked(Ranged(score_threshold=inside), [1.0, 10.0] * 10)
    assert said == []
    worked(Ranged(score_threshold=0.5), [1.0, 10.0] * 10)
    assert said == ["image_plain_filter: the threshold 0.5 lies outside the range of beauty, which is 1 to 10"]


def test_a_recipe_is_told_nothing_of_thresholds(said):
    """Where scores are recorded alone, the threshold means nothing, however it lies to the range."""
    stage = pickle.loads(pickle.dumps(Ranged(score_threshold=0.5)))  # noqa: S301 (what executors do with ours)
    stage.annotate(ImageBatch(data=[ImageObject(image_id="a", metadata={"score": 3.0})]))
    stage.teardown()
    assert said == []


def test_a_threshold_far_outside_the_seen_scores(said):
    """A worker's end says so with the quantiles: this is how 1.5 on a scale that ends at 1 is caught."""
    worked(Plain(score_threshold=0.5), [4 + at / 100 for at in range(200)])
    (only,) = said
    assert only.startswith("image_plain_filter: the threshold 0.5 is far below all 200 seen scores, which are 4 … 5.99")
    assert only.endswith("(5 %: 4.09, 25 %: 4.49, median: 4.99, 75 %: 5.49, 95 %: 5.89)")
    said.clear()
    worked(Plain(score_threshold=50.0), SCALE)
    assert "is far above all 200 seen scores, which are 1 … 10 (" in said[0]


@pytest.mark.parametrize(
    ("stage", "scores"),
    [
        (Plain(score_threshold=5.0), SCALE),
        (Plain(score_threshold=12.25), SCALE),  # a quarter of the seen range above it: not far yet
        (Plain(score_threshold=50.0), SCALE[:99]),
        (Plain(score_threshold=50.0), []),
        (Documented(), SCALE[100:]),
        (Plain(score_threshold=7.0), [7.0] * 200),
        (Plain(score_threshold=7.0), [7.0, float("inf")] * 100),
        (Unruly(score_threshold=50.0), SCALE),
    ],
)
def test_nothing_is_said(said, stage, scores):
    """Of a threshold among the scores or near them, of few scores, of a documented default, of who overrides all."""
    worked(copy.copy(stage), scores)
    assert said == []


def test_each_worker_speaks_for_itself(said):
    """A teardown forgets what was seen, so that nothing is said twice; annotating alone sees nothing."""
    stage = worked(Plain(score_threshold=50.0), SCALE)
    stage.teardown()
    assert len(said) == 1
    stage.annotate(ImageBatch(data=[ImageObject(metadata={"score": 1.0}) for _ in range(200)]))
    stage.teardown()
    assert len(said) == 1


@given(count=st.integers(0, 60_000))
def test_memory_is_bounded(count):
    """However many scores come, at most 10,000 are held, evenly spread, with the true ends and number."""
    seen = SeenScores()
    seen.add(float(at) for at in range(count))
    assert seen.kept <= 10_000
    assert seen.kept >= min(count, 5_000)
    assert seen.count == count
    if count:
        assert (seen.low, seen.high) == (0.0, count - 1.0)

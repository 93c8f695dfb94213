"""The contract of a score stage: ours keep it, and each way of breaking it is told."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from nemo_curator.errors import CuratorError
from nemo_curator.kernels.view import View
from nemo_curator.stages.catalogue import make_score_stage, score_names
from nemo_curator.stages.declarations import Column, Needs
from nemo_curator.stages.image.filters.base import BaseFilterStage
from nemo_curator.testing import assert_stage_contract, contract_images

VIEW = View(16, fit="squash")


@dataclass
class MeanStage(BaseFilterStage):
    """Mean of a small view: what the stages below spoil in one way each."""

    _name: str = "mean"
    columns = (Column("mean_level", range=(0.0, 255.0), meaning="Mean of all channels"),)

    def needs(self):
        """A small view."""
        return Needs(views=(VIEW,))

    def score(self, images):
        """The means."""
        return np.array([float(image.views[VIEW].mean()) for image in images])


class Undeclared(MeanStage):
    """Cuts what it never asked for."""

    def needs(self):
        """Nothing."""
        return Needs()

    def score(self, images):
        """Means of a view that nobody cut."""
        from nemo_curator.stages.image.pixels import view_of

        return np.array([float(view_of(image, VIEW).mean()) for image in images])


class Peeks(MeanStage):
    """Gives another score where bytes happen to be at hand."""

    def score(self, images):
        """The length of the bytes, or 0."""
        return np.array([float(len(image.encoded or b"")) % 255 for image in images])


class Neighbourly(MeanStage):
    """Scales by the brightest image of the batch."""

    def score(self, images):
        """Means divided by the largest."""
        means = super().score(images)
        return means / max(means.max(), 1.0)


class Forgetful(MeanStage):
    """Counts its calls into the score."""

    def setup(self, _worker_metadata=None):
        """Begin at zero."""
        self.calls = 0

    def score(self, images):
        """Different every time."""
        self.calls += 1
        return np.full(len(images), float(self.calls))


class Unpicklable(MeanStage):
    """Holds an open file."""

    def __post_init__(self):
        """Open it."""
        super().__post_init__()
        self.lines = (line for line in "abc")


class OutOfRange(MeanStage):
    """Says 0 to 1 and gives levels."""

    columns = (Column("mean_level", range=(0.0, 1.0), meaning="Said to be a share"),)


class OtherType(MeanStage):
    """Says that it gives whole numbers."""

    columns = (Column("mean_level", "int", meaning="Said to be whole"),)


class TakenName(MeanStage):
    """Records under the name of an identity column."""

    columns = (Column("width", meaning="Taken"),)


class OddName(MeanStage):
    """Its column cannot be written in a rule."""

    columns = (Column("mean level", meaning="With a space"),)


class Vanishing(MeanStage):
    """Drops an image without a record."""

    def annotate(self, task):
        """All but the last."""
        return replace(super().annotate(task), data=task.data[:-1])


class Unordered(MeanStage):
    """Gives its images back sorted by id."""

    def annotate(self, task):
        """Sorted."""
        done = super().annotate(task)
        done.data.sort(key=lambda image: image.image_id)
        return done


class Rejecting(MeanStage):
    """Rejects while it annotates."""

    def annotate(self, task):
        """What `process` does."""
        self.score_threshold = 10.0
        done = super().annotate(task)
        rejected = [done.data[0].rejected(stage=self.name)]
        return done.filtered(done.data[1:], rejected)


class Scribbling(MeanStage):
    """Writes into the metadata."""

    def record_scores(self, image, scores):
        """Beside the column."""
        super().record_scores(image, scores)
        image.metadata["mean"] = scores["mean_level"]


class KeepsNaN(MeanStage):
    """Records a NaN like any number."""

    def annotate(self, task):
        """Without a look at the values."""
        for image, value in zip(task.data, self.score(task.data), strict=True):
            self.record_scores(image, {"mean_level": float(value)})
        return task


class NaNForAll(MeanStage):
    """Quarantines a whole batch for one NaN in it."""

    def annotate(self, task):
        """All or none."""
        done = super().annotate(task)
        if not done.records:
            return done
        spoilt = [image.quarantined(stage=self.name, code="nan_score", detail="a neighbour") for image in done.data]
        return done.filtered([], spoilt)


class OtherSide(MeanStage):
    """`process` keeps what `keeps` would reject."""

    def process(self, task):
        """The wrong side."""
        self.keep = "at_or_above"
        done = super().process(task)
        self.keep = "below"
        return done


class Empty(MeanStage):
    """Its first column is None for some."""

    columns = (Column("word", "string", meaning="A word"),)

    def score(self, images):
        """None each time."""
        return np.array([None for _ in images], object)


BROKEN = {
    Undeclared: "needs\\(\\) does not declare",
    Peeks: "more than needs\\(\\) declares",
    Neighbourly: "changes mean_level",
    Forgetful: "a second time changes",
    Unpicklable: "does not pickle",
    OutOfRange: "outside 0.0 to 1.0",
    OtherType: "declared as int",
    OddName: "'mean level' cannot be written in a rule",
    Vanishing: "vanish|has no score|other images",
    Unordered: "another order",
    Rejecting: "annotate\\(\\) rejected|other images",
    Scribbling: "changed what belongs to",
    KeepsNaN: "NaN",
    NaNForAll: "into quarantine too",
    OtherSide: "keeps others than keeps\\(\\) says",
    Empty: "first column",
}


def test_a_stage_that_keeps_the_contract_passes():
    """Nothing is raised for an honest stage, and the stage itself is not changed."""
    stage = MeanStage()
    assert_stage_contract(stage)
    assert "model" not in vars(stage)


@pytest.mark.parametrize("kind", BROKEN, ids=lambda kind: kind.__name__)
def test_each_breach_is_told(kind):
    """A stage that breaks one clause fails with a sentence about that clause."""
    with pytest.raises(AssertionError, match=BROKEN[kind]):
        assert_stage_contract(kind())


def test_a_column_with_a_taken_name_is_refused():
    """The run's own sentence says that the name is taken."""
    with pytest.raises(CuratorError, match="'width'"):
        assert_stage_contract(TakenName())


def test_a_tolerance_allows_what_it_says():
    """Scores that differ by less than the tolerance pass, and fail without one."""

    class Shaky(MeanStage):
        """Adds a little for each neighbour."""

        def score(self, images):
            """Means and a thousandth an image."""
            return np.clip(super().score(images) + 0.001 * len(images), 0, 255)

    with pytest.raises(AssertionError, match="changes mean_level"):
        assert_stage_contract(Shaky())
    assert_stage_contract(Shaky(), tolerance=0.1)


def test_no_score_stage_is_told():
    """A stage without `annotate` is no score stage."""
    from nemo_curator.stages.image.io.image_writer import ImageWriterStage

    with pytest.raises(AssertionError, match="no score stage"):
        assert_stage_contract(ImageWriterStage(output_dir="unused"))


def test_the_images_are_equal_in_every_call():
    """The default images have distinct ids and the same bytes each time."""
    first, second = contract_images(8), contract_images(8)
    assert [image.image_id for image in first] == [image.image_id for image in second]
    assert [image.encoded for image in first] == [image.encoded for image in second]
    assert len({image.image_id for image in first}) == len(first)
    assert {image.header.format for image in first} >= {"jpeg", "png", "gif", "webp"}
    assert max(image.header.frames for image in first) > 1


@pytest.mark.parametrize("name", score_names())
def test_every_installed_score_keeps_the_contract(name):
    """Each score that a recipe can name keeps it, to the last bit."""
    given = {"clip_score": {"model": "clip-vit-large-patch14"}}  # which a recipe learns from its embedding
    try:
        stage = make_score_stage(name, given.get(name, {}))
    except CuratorError as error:
        pytest.skip(f"not installed: {error}")
    assert_stage_contract(stage)

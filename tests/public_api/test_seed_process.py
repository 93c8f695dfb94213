"""What `BaseFilterStage.process` owns, so that a filter's author need not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
from tests.public_api.fakes import GivenScores, Tensor, batch_of, ids

from nemo_curator.errors import StageError
from nemo_curator.stages.declarations import Column
from nemo_curator.stages.image.filters.base import BaseFilterStage
from nemo_curator.stages.image.io.image_reader import ImageReaderStage
from nemo_curator.tasks import FileGroupTask, ImageBatch, ImageObject, Record, StagePerfStats
from nemo_curator.testing import encoded, photo


@dataclass
class Answer(BaseFilterStage):
    """Answers with whatever it was made with."""

    _name: str = "answer"
    answer: object = None

    def score(self, images):
        """The answer, or what it gives for the images."""
        return self.answer(images) if callable(self.answer) else self.answer


@dataclass
class TwoColumns(BaseFilterStage):
    """Gives a number to filter by and a word."""

    _name: str = "two_columns"
    columns: ClassVar = (Column("first"), Column("word", "string"))

    def score(self, images):
        """Both columns."""
        return {
            "word": np.array([image.image_id.upper() for image in images]),
            "first": np.array([image.metadata["score"] for image in images], np.float32),
        }


@dataclass
class OldStyle(BaseFilterStage):
    """As filters of the original are written: `process` and `setup` overridden."""

    _name: str = "old_style"

    def setup(self, _worker_metadata=None):
        """Make the model."""
        self.model = lambda images: [image.metadata["score"] for image in images]

    def process(self, task):
        """Filter in place."""
        kept = []
        for images in self.yield_next_batch(task):
            scores = self.model(images)
            kept += [image for image, score in zip(images, scores, strict=True) if score < self.score_threshold]
        task.data = kept
        return task


def test_rejects_leave_a_record():
    """What is dropped stays in the batch's records with rule, score and threshold."""
    done = GivenScores(score_threshold=0.3).process(batch_of([0.1, 0.75]))
    (record,) = done.records
    assert (record.image_id, record.verdict, record.stage, record.rule) == (
        "i1",
        "reject",
        "image_given_filter",
        "image_given_filter",
    )
    assert (record.score, record.threshold, record.scores) == (0.75, 0.3, {"given_score": 0.75})


def test_scores_are_recorded_on_the_images():
    """Every kept image carries its score under the stage's column."""
    done = GivenScores().process(batch_of([0.1, 0.2]))
    assert [image.scores for image in done.data] == [{"given_score": 0.1}, {"given_score": 0.2}]


def test_a_filtered_batch_keeps_what_its_input_was():
    """Name, metadata, timings, id and earlier records travel on."""
    perf, record = StagePerfStats("before"), Record("x", "reject", "before")
    batch = batch_of([0.1, 0.9], dataset_name="set", _metadata={"a": 1}, _stage_perf=[perf], task_id="t")
    batch.records.append(record)
    done = GivenScores().process(batch)
    assert (done.dataset_name, done._metadata, done._stage_perf, done.task_id) == ("set", {"a": 1}, [perf], "t")
    assert done.records[0] is record
    assert [one.image_id for one in done.records] == ["x", "i1"]


def test_the_input_batch_is_not_emptied():
    """Filtering makes a new batch: whoever holds the input still sees its images."""
    batch = batch_of([0.1, 0.9])
    assert GivenScores().process(batch) is not batch
    assert ids(batch) == ["i0", "i1"]
    assert batch.records == []


def test_nan_is_a_quarantine():
    """A NaN score is neither kept nor rejected."""
    done = GivenScores().process(batch_of([0.1, float("nan"), 0.9]))
    assert ids(done) == ["i0"]
    assert [(one.image_id, one.verdict, one.code) for one in done.records] == [
        ("i1", "quarantine", "nan_score"),
        ("i2", "reject", ""),
    ]


def test_nan_is_a_quarantine_where_high_scores_stay():
    """NaN is on neither side of a threshold, whichever side stays."""

    class KeepsHigh(GivenScores):
        keep = "at_or_above"

    done = KeepsHigh().process(batch_of([0.5, float("nan"), 0.4999]))
    assert ids(done) == ["i0"]
    assert [one.verdict for one in done.records] == ["quarantine", "reject"]


@pytest.mark.parametrize("answer", [np.zeros(1), np.zeros(3), np.zeros((2, 2)), np.zeros((1, 2)), 0.5, []])
def test_a_wrong_number_of_scores_names_the_stage(answer):
    """The error says which stage, how many scores and for how many images."""
    with pytest.raises(StageError, match=r"'answer' gave .* for 2 images"):
        Answer(answer=answer).process(batch_of([0, 0]))


@pytest.mark.parametrize("answer", [{}, {"other": np.zeros(1)}, {"answer_score": np.zeros(1), "more": np.zeros(1)}])
def test_undeclared_columns_name_the_stage(answer):
    """A mapping must have exactly the declared columns."""
    with pytest.raises(StageError, match=r"'answer' gave the columns .* declares \['answer_score'\]"):
        Answer(answer=answer).process(batch_of([0]))


@pytest.mark.parametrize(
    "answer",
    [
        np.array([0.25, 0.75], np.float32),
        np.array([[0.25], [0.75]], np.float16),
        [0.25, 0.75],
        Tensor([0.25, 0.75]),
        Tensor([[0.25], [0.75]]),
    ],
    ids=["array", "column", "list", "tensor", "tensor-column"],
)
def test_answers_that_models_give(answer):
    """Arrays, `(N, 1)` columns, lists and torch tensors all are scores."""
    done = Answer(answer=answer).process(batch_of([0, 0]))
    assert ids(done) == ["i0"]
    assert done.data[0].scores == {"answer_score": 0.25}
    assert type(done.data[0].scores["answer_score"]) is float


def test_a_tensor_is_taken_off_its_device():
    """Detached, copied to the CPU and made a float: in that order, before NumPy sees it."""
    tensor = Tensor([0.25])
    Answer(answer=tensor).process(batch_of([0]))
    assert tensor.log == ["detach", "cpu", "float"]


@pytest.mark.parametrize("answer", [np.float32(0.25), Tensor(0.25)])
def test_squeezing_one_image_gives_a_number(answer):
    """A model that squeezes its answer gives a bare number for a batch of one, which is its score."""
    done = Answer(answer=answer).process(batch_of([0]))
    assert done.data[0].scores == {"answer_score": 0.25}


def test_score_gets_at_most_a_batch():
    """One call of `score` gets between one image and the batch size."""
    seen = []

    def answer(images):
        seen.append(len(images))
        return np.zeros(len(images))

    Answer(answer=answer, model_inference_batch_size=3).process(batch_of([0] * 7))
    assert seen == [3, 3, 1]


def test_several_columns():
    """The first declared column decides; all are recorded, by their types."""
    done = TwoColumns().process(batch_of([0.25, 0.75]))
    assert [image.scores for image in done.data] == [{"first": 0.25, "word": "I0"}]
    assert (done.records[0].scores, done.records[0].score) == ({"first": 0.75, "word": "I1"}, 0.75)


def test_annotate_drops_nothing():
    """A recipe run records the columns and leaves rejecting to the rules."""
    done = GivenScores().annotate(batch_of([0.1, 0.9]))
    assert ids(done) == ["i0", "i1"]
    assert done.records == []
    assert done.data[1].scores == {"given_score": 0.9}


def test_an_old_style_subclass_works():
    """A filter that overrides `setup` and `process`, as the original's do, needs nothing else."""
    stage = OldStyle(score_threshold=0.3)
    stage.setup()
    assert ids(stage.process(batch_of([0.1, 0.3, 0.2]))) == ["i0", "i2"]


def test_an_empty_batch_stays_empty():
    """Nothing to score is no error, and `score` is not called."""

    def answer(_images):
        raise AssertionError("score was called for no image")

    assert Answer(answer=answer).process(ImageBatch()).data == []


def test_verbose_logs_rejects():
    """A verbose filter says which images it drops."""
    from loguru import logger

    lines = []
    sink = logger.add(lines.append, format="{message}")
    try:
        GivenScores(verbose=True).process(batch_of([0.1, 0.9]))
        GivenScores(verbose=False).process(batch_of([0.9]))
    finally:
        logger.remove(sink)
    assert lines == ["image_given_filter rejects i1: score 0.9\n"]


def test_a_reader_is_quiet_until_traces_are_asked_for(tmp_path):
    """Reading says nothing at the level that loggers have by default, though the documented default is verbose."""
    from loguru import logger

    (tmp_path / "a.png").write_bytes(encoded(photo(1), "PNG"))
    task = FileGroupTask(dataset_name="d", task_id="0", data=[str(tmp_path / "a.png")])
    for level, count in (("DEBUG", 0), ("TRACE", 1)):
        lines = []
        sink = logger.add(lines.append, format="{message}", level=level)
        try:
            stage = ImageReaderStage()
            stage.setup()
            assert sum(len(batch.data) for batch in stage.process(task)) == 1
        finally:
            logger.remove(sink)
        assert len(lines) == count


def test_the_number_of_rejects_is_a_metric():
    """A filter's timings carry how many it rejected."""
    stage = GivenScores()
    stage.process(batch_of([0.1, 0.9, 0.9]))
    assert stage._take_metrics() == {"rejected": 2}


def test_images_without_ids_are_filtered():
    """An image made by hand need not have an id."""
    batch = ImageBatch(data=[ImageObject(metadata={"score": score}) for score in (0.1, 0.9)])
    done = GivenScores().process(batch)
    assert (len(done.data), len(done.records)) == (1, 1)


@pytest.mark.parametrize("value", ["a word", None])
def test_a_threshold_is_compared_with_numbers(value):
    """A first column of words, or without a value, names the stage and the column."""

    @dataclass
    class Worded(BaseFilterStage):
        _name: str = "image_worded_filter"
        columns: ClassVar[tuple[Column, ...]] = (Column("word", "string"),)

        def score(self, images):
            return np.array([value for _ in images], object)

    with pytest.raises(StageError, match=r"image_worded_filter.*'word'"):
        Worded().process(batch_of([1]))


def test_truth_values_are_compared_as_0_and_1():
    """A first column of truth values is kept below a half where it is false."""

    @dataclass
    class Large(BaseFilterStage):
        _name: str = "image_large_filter"
        columns: ClassVar[tuple[Column, ...]] = (Column("large", "bool"),)

        def score(self, images):
            return np.array([image.metadata["score"] > 3 for image in images])

    done = Large().process(batch_of([2, 5]))
    assert [image.metadata["score"] for image in done.data] == [2]
    assert [(record.score, record.threshold) for record in done.records] == [(1.0, 0.5)]

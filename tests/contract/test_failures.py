"""What a stage that raises costs: an image, or the run with one sentence, never more and never silently."""

from __future__ import annotations

import threading

import pytest
from tests.contract.stages import Batches, BrokenSetup, DeadSetup, OddFilter, OnNode, Plain, Raises, Sources
from tests.contract.test_behaviour import ids

from nemo_curator.errors import DecodeError, ModelError, StageError
from nemo_curator.stages.base import ProcessingStage
from nemo_curator.tasks import DocumentBatch, ImageBatch


class ToRows(ProcessingStage[ImageBatch, DocumentBatch]):
    """Ends the images' way, and fails on one of them."""

    name = "to_rows"

    def process(self, task):
        """Rows."""
        if any(image.image_id == "a/1" for image in task.data):
            raise RuntimeError("cannot take a/1")
        return DocumentBatch()


class NoEmptyBatches(Plain):
    """Cannot work on nothing, as `numpy.stack` cannot."""

    name = "no_empty_batches"

    def process(self, task):
        """As it is."""
        if not task.data:
            raise ValueError("need at least one array to stack")
        return task


def test_raising_on_one_image_costs_that_image(executor, run):
    """It becomes a quarantine record with the error; all others go on, each edited once."""
    tasks, pipeline = run(executor, Sources(partitions=2), Batches(), Raises(on=("a/1", "b/5")))
    assert ids(tasks) == [f"{part}/{n}" for part in "ab" for n in range(6) if f"{part}/{n}" not in ("a/1", "b/5")]
    assert {image.metadata["edits"] for task in tasks for image in task.data} == {1}
    told = [(one.image_id, one.verdict, one.stage, one.code, one.detail) for one in pipeline.records]
    assert told == [
        (image_id, "quarantine", "raises", "stage_failed", f"RuntimeError: cannot take {image_id}")
        for image_id in ("a/1", "b/5")
    ]
    assert [perf.stage_name for perf in tasks[0]._stage_perf] == ["sources", "batches", "raises"]


def test_earlier_records_survive_a_failure(isolation, run):
    """Trying images one by one neither loses nor doubles what left the batch before."""
    _, pipeline = run(isolation, Sources(partitions=1), Batches(), OddFilter(), Raises(on=("a/2",)))
    assert sorted((one.image_id, one.verdict) for one in pipeline.records) == [
        ("a/1", "reject"),
        ("a/2", "quarantine"),
        ("a/3", "reject"),
        ("a/5", "reject"),
    ]


def test_raising_on_all_of_a_few_images_costs_only_them(isolation, run):
    """Fewer than eight images may all be odd: they are quarantined, and the run goes on."""
    tasks, pipeline = run(isolation, Sources(partitions=1), Batches(), Raises(on=("*",)))
    assert ids(tasks) == []
    assert [(one.verdict, one.code) for one in pipeline.records] == [("quarantine", "stage_failed")] * 6


def test_raising_on_all_images_ends_the_run(executor, run):
    """The error names the stage and the task, and carries the stage's own traceback as a note."""
    with pytest.raises(StageError, match=r"stage 'raises' failed on task '.+': RuntimeError: cannot take") as caught:
        run(executor, Sources(), Batches(size=8), Raises(on=("*",)))
    (note,) = caught.value.__notes__
    assert "Traceback (most recent call last)" in note
    assert "in process" in note


def test_our_own_errors_end_the_run_as_they_are(isolation, run):
    """A model that cannot be used is no fault of an image."""
    with pytest.raises(ModelError, match="cannot take a/0"):
        run(isolation, Sources(), Batches(), Raises(on=("a/0",), error=ModelError))


def test_errors_about_a_sample_never_end_a_run(isolation, run):
    """An image that does not decode, in a stage that decodes by itself, is quarantined under its own code."""
    tasks, pipeline = run(isolation, Sources(partitions=1), Batches(), Raises(on=("*",), error=DecodeError))
    assert ids(tasks) == []
    assert {(one.verdict, one.code) for one in pipeline.records} == {("quarantine", "decode_failed")}
    assert len(pipeline.records) == 6


def test_a_failing_stage_that_gives_no_images_ends_the_run(isolation, run):
    """Its images are not silently turned into rejects."""
    with pytest.raises(StageError, match="'to_rows'"):
        run(isolation, Sources(partitions=1), Batches(), ToRows())


def test_a_stage_need_not_work_on_an_empty_batch(isolation, run):
    """Where every image was rejected before, a stage that cannot work on nothing costs nothing."""
    everything = OddFilter(score_threshold=-1.0)
    tasks, pipeline = run(isolation, Sources(partitions=1), Batches(), everything, NoEmptyBatches())
    assert (ids(tasks), len(pipeline.records)) == ([], 6)
    assert {one.stage for one in pipeline.records} == {"odd"}


def test_setup_that_fails_names_the_stage(isolation, run):
    """One sentence with the stage and the cause, wherever it was set up."""
    with pytest.raises(StageError, match=r"'broken_setup' could not be set up: FileNotFoundError: no weights"):
        run(isolation, Sources(), Batches(), BrokenSetup())


def test_setup_that_kills_its_worker_ends_the_run(run):
    """A worker that dies while it is set up is tried once more, then explained."""
    from nemo_curator.backends.local import LocalExecutor

    with pytest.raises(StageError, match=r"a worker was killed by SIGABRT while its stages were set up"):
        run(LocalExecutor({"num_workers": 1}), Sources(), Batches(), DeadSetup())


def test_a_stage_that_cannot_be_sent_is_named(run):
    """What belongs to this process cannot go to a worker; the error says which stage holds it."""
    from nemo_curator.backends.local import LocalExecutor

    stage = Plain()
    stage.lock = threading.Lock()
    with pytest.raises(StageError, match=r"stage 'plain' cannot be sent to a worker"):
        run(LocalExecutor({"num_workers": 1}), Sources(), Batches(), stage)
    tasks, _ = run(LocalExecutor({"num_workers": 0}), Sources(partitions=1), Batches(), stage)
    assert len(ids(tasks)) == 6


@pytest.mark.parametrize("workers", [0, 2])
def test_the_host_is_prepared_once_before_any_worker(tmp_path, run, workers):
    """`setup_on_node` is over before the first `setup`; every worker is set up and torn down."""
    from nemo_curator.backends.local import LocalExecutor

    run(LocalExecutor({"num_workers": workers}), Sources(partitions=4), Batches(), OnNode(folder=str(tmp_path)))
    seen = [path.name.partition("-")[0] for path in tmp_path.iterdir()]
    assert seen.count("prepared") == 1
    assert seen.count("setup") == seen.count("teardown") == max(1, workers)


def test_stages_are_torn_down_after_a_failure(tmp_path, run):
    """In this process nothing is left set up."""
    from nemo_curator.backends.local import LocalExecutor

    with pytest.raises(StageError, match="raises"):
        run(
            LocalExecutor({"num_workers": 0}),
            Sources(),
            Batches(size=8),
            OnNode(folder=str(tmp_path)),
            Raises(on=("*",)),
        )
    assert len(list(tmp_path.glob("teardown-*"))) == 1

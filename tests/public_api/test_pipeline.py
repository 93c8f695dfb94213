"""PUBLIC_API section 2, "Pipeline", one test a promise."""

from __future__ import annotations

import pytest
from tests.public_api.fakes import GivenScores, Rename, batch_of, ids, make_shards

from nemo_curator.backends.base import BaseExecutor
from nemo_curator.backends.local import LocalExecutor
from nemo_curator.errors import OutputExistsError
from nemo_curator.pipeline import Pipeline
from nemo_curator.stages.base import CompositeStage
from nemo_curator.stages.file_partitioning import FilePartitioningStage
from nemo_curator.stages.image.io.convert import ConvertImageBatchToDocumentBatchStage
from nemo_curator.stages.image.io.image_reader import ImageReaderStage
from nemo_curator.stages.resources import Resources
from nemo_curator.tasks import EmptyTask, ImageBatch

HERE = LocalExecutor({"num_workers": 0})


class Inner(CompositeStage[ImageBatch, ImageBatch]):
    """Two renamings."""

    name = "inner"

    def decompose(self):
        """Both."""
        return [Rename(), Rename()]


class Outer(CompositeStage[ImageBatch, ImageBatch]):
    """A composite of a composite."""

    name = "outer"

    def decompose(self):
        """A composite and a filter."""
        return [Inner(), GivenScores()]


class Keeps(BaseExecutor):
    """Runs nothing, and keeps what it was asked to run."""

    def execute(self, stages, initial_tasks=None):
        """Nothing."""
        self.asked = stages, initial_tasks
        return []


def test_add_stage_chains():
    """`add_stage` returns the pipeline."""
    pipeline = Pipeline("p")
    assert pipeline.add_stage(Rename()).add_stage(GivenScores()) is pipeline
    assert [stage.name for stage in pipeline.stages] == ["rename", "image_given_filter"]


@pytest.mark.parametrize("wrong", [Rename, lambda task: task, "rename", None])
def test_add_stage_refuses_what_is_no_stage(wrong):
    """A class, a function, a name: each a `TypeError`, here and in the constructor."""
    with pytest.raises(TypeError, match="ProcessingStage"):
        Pipeline("p").add_stage(wrong)
    with pytest.raises(TypeError, match="ProcessingStage"):
        Pipeline("p", stages=[wrong])


def test_build_refuses_an_empty_pipeline():
    """A pipeline without stages is a `ValueError` that names it."""
    with pytest.raises(ValueError, match="'p' has no stages"):
        Pipeline("p").build()
    with pytest.raises(ValueError, match="'p' has no stages"):
        Pipeline("p").run()


def test_build_expands_composites():
    """Composites give way to their stages, at any depth."""
    pipeline = Pipeline("p", stages=[Outer(), Rename()])
    pipeline.build()
    assert [stage.name for stage in pipeline.stages] == ["rename", "rename", "image_given_filter", "rename"]


def test_build_keeps_what_with_set():
    """Planning what the reader must provide forgets none of its settings."""
    reader = ImageReaderStage(dali_batch_size=7).with_(
        name="mine", resources=Resources(cpus=3.0), num_workers=2, batch_size=4
    )
    pipeline = Pipeline("p", stages=[reader, ConvertImageBatchToDocumentBatchStage()])
    pipeline.build()
    planned = pipeline.stages[0]
    assert (planned.name, planned.resources.cpus, planned.num_workers(), planned.batch_size) == ("mine", 3.0, 2, 4)
    assert (planned.dali_batch_size, planned.pixels, reader.pixels) == (7, False, True)


def test_building_twice_is_building_once():
    """`run` builds, also what was built before."""
    pipeline = Pipeline("p", stages=[Outer()])
    pipeline.build()
    once = list(pipeline.stages)
    pipeline.build()
    assert [stage.name for stage in pipeline.stages] == [stage.name for stage in once]


def test_describe():
    """Name, description, and a paragraph a stage with what it takes and asks for."""
    reader = ImageReaderStage().with_(resources=Resources(cpus=2.0, gpus=0.5))
    text = Pipeline("curate", "what it is for", stages=[reader, Outer()]).describe()
    assert "Pipeline: curate" in text
    assert "what it is for" in text
    assert "Stages: 2" in text
    assert "1. image_reader (ImageReaderStage)" in text
    assert "2 CPU, 0.5 GPU" in text
    assert "image_data" in text
    assert "2. outer (Outer)" in text


def test_run_passes_stages_and_tasks_to_the_executor():
    """The executor gets the expanded stages, and the tasks as given."""
    executor, batch = Keeps(), batch_of([0.1])
    assert Pipeline("p", stages=[Outer()]).run(executor, [batch]) == []
    stages, tasks = executor.asked
    assert ([stage.name for stage in stages], tasks) == (["rename", "rename", "image_given_filter"], [batch])


def test_run_returns_what_the_last_stage_gives():
    """Given tasks go through all stages; what was rejected is in `records`."""
    pipeline = Pipeline("p", stages=[Rename(), GivenScores()])
    (done,) = pipeline.run(HERE, [batch_of([0.1, 0.9])])
    assert ids(done) == ["new-i0"]
    assert [record.image_id for record in pipeline.records] == ["new-i1"]


@pytest.mark.parametrize("tasks", [None, [EmptyTask], [EmptyTask()]])
def test_run_starts_from_nothing(tmp_path, tasks):
    """Without tasks, or with the empty one (the class itself too), the first stage makes its own."""
    make_shards(tmp_path, shards=2, each=1)
    done = Pipeline("p", stages=[FilePartitioningStage(str(tmp_path))]).run(HERE, tasks)
    assert [[path.rpartition("/")[2] for path in task.data] for task in done] == [["00000.tar"], ["00001.tar"]]


def test_run_uses_the_pipelines_config():
    """Without an executor, a local one with the pipeline's settings."""
    with pytest.raises(ValueError, match="num_workers"):
        Pipeline("p", stages=[Rename()], config={"num_workers": "many"}).run(initial_tasks=[batch_of([0.1])])
    (done,) = Pipeline("p", stages=[Rename()], config={"num_workers": 0}).run(initial_tasks=[batch_of([0.1])])
    assert ids(done) == ["new-i0"]


@pytest.mark.parametrize("workers", [0, 2])
def test_checkpoint_path_resumes(tmp_path, workers):
    """What is kept there is not run again, and comes back with its records."""
    make_shards(tmp_path / "in", shards=2, each=2)
    executor, checkpoint = LocalExecutor({"num_workers": workers}), str(tmp_path / "checkpoint")
    pipeline = Pipeline("p", stages=[FilePartitioningStage(str(tmp_path / "in")), ImageReaderStage(), Rename()])
    first = pipeline.run(executor, checkpoint_path=checkpoint)
    again = Pipeline("again", stages=pipeline.stages)
    kept = again.run(executor, checkpoint_path=checkpoint)
    assert [ids(batch) for batch in kept] == [ids(batch) for batch in first]
    assert [perf for batch in kept for perf in batch._stage_perf[1:]] == [
        perf for batch in first for perf in batch._stage_perf[1:]
    ]  # the very times of the first run


def test_checkpoint_path_of_another_pipeline_is_refused(tmp_path):
    """A changed threshold is named, and nothing is mixed."""
    Pipeline("p", stages=[GivenScores()]).run(HERE, [batch_of([0.6])], checkpoint_path=str(tmp_path))
    with pytest.raises(OutputExistsError, match=r"score_threshold: 0\.5 → 0\.7"):
        Pipeline("p", stages=[GivenScores(score_threshold=0.7)]).run(
            HERE, [batch_of([0.6])], checkpoint_path=str(tmp_path)
        )

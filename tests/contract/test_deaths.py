"""Workers that die or hang cost one image each, whether or not a stage says which image it works on."""

from __future__ import annotations

import pytest
from tests.contract.stages import Batches, Dies, DiesOnce, Sources
from tests.contract.test_behaviour import ids
from tests.public_api.fakes import make_shards

from nemo_curator.backends.local.events import Pulse, StagesTook, WorkerDied
from nemo_curator.errors import StageError
from nemo_curator.pipeline import Pipeline
from nemo_curator.stages.base import ProcessingStage
from nemo_curator.stages.file_partitioning import FilePartitioningStage
from nemo_curator.stages.image.io.image_reader import ImageReaderStage
from nemo_curator.tasks import DocumentBatch, FileGroupTask

IDS = [f"0000{shard}/k00{number}" for shard in range(2) for number in range(3)]


class DeadReader(ProcessingStage[FileGroupTask, DocumentBatch]):
    """Dies of a partition, before there is any image."""

    name = "dead_reader"

    def process(self, _task):
        """At once."""
        import os
        import signal

        os.kill(os.getpid(), signal.SIGKILL)


def curate(started, folder, stage, workers=1, seconds=60):
    """Read two shards of three samples and put them through a stage."""
    make_shards(folder, shards=2, each=3)
    pipeline = Pipeline("p", stages=[FilePartitioningStage(str(folder)), ImageReaderStage(dali_batch_size=2), stage])
    tasks = pipeline.run(started({"num_workers": workers, "image_seconds": seconds}))
    return tasks, pipeline.records


def died(records):
    """(id, detail) of the images that cost workers; nothing else may be recorded."""
    assert {(one.verdict, one.code) for one in records} == {("quarantine", "worker_died")}
    return [(one.image_id, one.detail) for one in records]


@pytest.mark.parametrize(
    ("how", "detail"),
    [
        ("SIGKILL", "its worker was killed by SIGKILL, twice"),
        ("SIGSEGV", "its worker was killed by SIGSEGV, twice"),
        ("exit", "its worker ended with exit code 3, twice"),
    ],
)
def test_a_death_on_one_image_costs_that_image(started, tmp_path, how, detail):
    """The image that was in work when two workers died is quarantined; the rest goes on, in order."""
    tasks, records = curate(started, tmp_path, Dies(on=("00000/k001",), how=how), workers=2)
    assert ids(tasks) == [image_id for image_id in IDS if image_id != "00000/k001"]
    assert died(records) == [("00000/k001", detail)]
    assert all("poison" not in task._metadata for task in tasks)


def test_a_hang_on_one_image_costs_that_image(started, tmp_path):
    """An image that takes longer than `image_seconds` is treated as one that kills."""
    tasks, records = curate(started, tmp_path, Dies(on=("00001/k000",), how="hang"), seconds=0.5)
    assert ids(tasks) == [image_id for image_id in IDS if image_id != "00001/k000"]
    assert died(records) == [("00001/k000", "its worker was killed after 0.5 seconds on one image, twice")]


def test_a_death_that_nobody_watched_costs_that_image(started, tmp_path):
    """A stage that says nothing is watched on the second try: the image is found all the same."""
    tasks, records = curate(started, tmp_path, Dies(on=("00000/k002",), watched=False))
    assert ids(tasks) == [image_id for image_id in IDS if image_id != "00000/k002"]
    assert died(records) == [("00000/k002", "its worker was killed by SIGKILL, twice")]


def test_bad_luck_costs_nothing(started, tmp_path):
    """A worker that dies once is replaced, and its partition done again."""
    stage = DiesOnce(on=("00000/k001",), mark=str(tmp_path / "mark"))
    tasks, records = curate(started, tmp_path / "in", stage)
    assert (tmp_path / "mark").exists()
    assert (ids(tasks), records) == (IDS, [])


def test_images_of_a_reader_of_ones_own_are_spared_too(started):
    """A reader that knows nothing of condemned images need not: the runner takes them out behind it."""
    pipeline = Pipeline("p", stages=[Sources(partitions=1), Batches(), Dies(on=("a/1", "a/4"))])
    tasks = pipeline.run(started({"num_workers": 1}))
    assert ids(tasks) == ["a/0", "a/2", "a/3", "a/5"]
    assert [image_id for image_id, _ in died(pipeline.records)] == ["a/1", "a/4"]


def test_images_given_as_tasks_are_spared_too(started):
    """Batches that are given to the executor itself lose only the image that kills."""
    (batch, *_) = Batches().process(FileGroupTask(data=["a"]))
    executor = started({"num_workers": 1})
    tasks = executor.execute([Dies(on=("a/1",))], [batch])
    assert ids(tasks) == ["a/0", "a/2"]
    assert [image_id for image_id, _ in died(executor.records)] == ["a/1"]
    assert tasks[0]._metadata == {}


def test_a_partition_that_always_kills_ends_the_run(started):
    """Where there is no image to blame, the run ends after a few workers and says how to see more."""
    pipeline = Pipeline("p", stages=[Sources(partitions=1), DeadReader()])
    with pytest.raises(StageError, match=r"cost three workers, the last of which was killed by SIGKILL.*num_workers"):
        pipeline.run(started({"num_workers": 1}))


def test_progress_is_told_once_though_a_partition_is_tried_again(started, tmp_path):
    """Records read again after a death are not counted again; each death is told, and what stages took with it."""
    make_shards(tmp_path, shards=1, each=3)
    read, heard = [], []
    stages = [FilePartitioningStage(str(tmp_path)), ImageReaderStage(dali_batch_size=1), Dies(on=("00000/k002",))]
    executor = started({"num_workers": 1}, lambda _, count: read.append(count), on_event=heard.append)
    executor.execute(stages)
    assert sum(read) == 3
    deaths = [one for one in heard if isinstance(one, WorkerDied)]
    assert {(one.how, one.image) for one in deaths} == {("was killed by SIGKILL", "00000/k002")}
    # on Ray the name of the seat stands before that of its worker
    names = [[name.rpartition("/")[2] for name in (one.worker, one.successor)] for one in deaths]
    assert names == [["worker-0", "worker-1"], ["worker-1", "worker-2"]]
    took = [one for one in heard if isinstance(one, StagesTook)]
    assert {name for one in took for name in one.seconds} == {"image_reader", "dies"}
    pulses = [one for one in heard if isinstance(one, Pulse)]
    assert pulses
    assert all(one.workers == 1 and one.memory > 10_000_000 for one in pulses)

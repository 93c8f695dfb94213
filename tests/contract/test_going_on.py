"""After a death a partition is gone on with behind the last batch that was through, where its stages allow it."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import pytest
from tests.contract.stages import Dies
from tests.public_api.fakes import make_shards

from nemo_curator.pipeline import Pipeline
from nemo_curator.stages.base import PartitionStage, ProcessingStage
from nemo_curator.stages.file_partitioning import FilePartitioningStage
from nemo_curator.stages.image.io.image_reader import ImageReaderStage
from nemo_curator.tasks import DocumentBatch, ImageBatch

SIZE = 2
COUNT = 10  # five batches
FATAL = "00000/k005"  # in the third


@dataclass
class Notes(ProcessingStage[ImageBatch, ImageBatch]):
    """Writes down every image that it is given."""

    log: str = ""
    _name: str = "notes"

    def process(self, task):
        """One line an image, with the process."""
        with Path(self.log).open("a", encoding="utf-8") as file:
            file.writelines(f"{image.image_id}\n" for image in task.data)
        return task


@dataclass
class Gathers(PartitionStage[ImageBatch, DocumentBatch]):
    """Gathers the ids of a partition, and can hand them on."""

    resumes: ClassVar[bool] = True
    _name: str = "gathers"
    _ids: list[str] = field(default_factory=list, init=False)
    _saved: int = field(default=0, init=False)
    _tries: list[int] = field(default_factory=list, init=False)

    def begin(self, _partition):
        """Nothing yet."""
        self._ids, self._saved, self._tries = [], 0, [os.getpid()]

    def process(self, task):
        """Ids of the batch."""
        self._ids += [image.image_id for image in task.data]

    def finish(self):
        """All of them, and how many processes gathered them."""
        import pandas as pd

        return [DocumentBatch(data=pd.DataFrame({"id": self._ids, "processes": len(set(self._tries))}))]

    def save(self):
        """Ids since the last time."""
        new, self._saved = self._ids[self._saved :], len(self._ids)
        return new, self._tries

    def restore(self, saved):
        """Ids of another process."""
        self._ids += saved[0]
        self._tries += saved[1]
        self._saved = len(self._ids)


class GathersAlone(Gathers):
    """The same, but it cannot hand anything on."""

    resumes: ClassVar[bool] = False
    name = "gathers_alone"


class Pairs(ProcessingStage[ImageBatch, ImageBatch]):
    """Asks for two batches at once."""

    name = "pairs"
    batch_size = 2

    def process(self, task):
        """As it is."""
        return task


def run(started, folder, stages, workers=1):
    """Read one shard through some stages; returns (tasks, records)."""
    make_shards(folder, shards=1, each=COUNT)
    pipeline = Pipeline(
        "p", stages=[FilePartitioningStage(str(folder)), ImageReaderStage(dali_batch_size=SIZE, verbose=False), *stages]
    )
    return pipeline.run(started({"num_workers": workers})), pipeline.records


def noted(tmp_path) -> Counter[str]:
    """How often each image was given to the stage that notes."""
    return Counter((tmp_path / "log").read_text().split())


@pytest.mark.parametrize("watched", [True, False])
def test_only_the_batch_in_work_is_done_again(started, tmp_path, watched):
    """Batches before the death are not worked on again, whether or not it was known which image it was."""
    stages = [Notes(log=str(tmp_path / "log")), Dies(on=(FATAL,), watched=watched)]
    tasks, records = run(started, tmp_path / "in", stages)
    assert [image.image_id for task in tasks for image in task.data] == [
        f"00000/k{number:03d}" for number in range(COUNT) if number != 5
    ]
    assert [record.image_id for record in records] == [FATAL]
    times = noted(tmp_path)
    before, after = range(4), range(6, COUNT)
    assert {times[f"00000/k{number:03d}"] for number in (*before, *after)} == {1}
    assert times["00000/k004"] <= 4


def test_tasks_are_those_of_a_run_without_a_death(started, tmp_path):
    """Ids of tasks, which writers name files by, do not tell of the death."""
    calm, _ = run(started, tmp_path / "calm", [])
    dead, _ = run(started, tmp_path / "dead", [Dies(on=(FATAL,))])
    assert [task.task_id for task in calm] == [task.task_id for task in dead]
    assert all("passed" not in task._metadata and "poison" not in task._metadata for task in dead)


def test_what_a_stage_gathered_is_handed_on(started, tmp_path):
    """A stage that says how gets what was gathered before the death, in order."""
    stages = [Notes(log=str(tmp_path / "log")), Dies(on=(FATAL,)), Gathers()]
    (task,), _ = run(started, tmp_path / "in", stages)
    frame = task.to_pandas()
    assert frame["id"].tolist() == [f"00000/k{number:03d}" for number in range(COUNT) if number != 5]
    assert frame["processes"][0] > 1
    assert noted(tmp_path)["00000/k000"] == 1


@pytest.mark.parametrize("stages", [[GathersAlone()], [Pairs(), Gathers()]])
def test_otherwise_the_partition_begins_anew(started, tmp_path, stages):
    """Where a stage cannot hand on what it holds, all of it is done again, and nothing is lost or doubled."""
    (task,), _ = run(started, tmp_path / "in", [Notes(log=str(tmp_path / "log")), Dies(on=(FATAL,)), *stages])
    assert task.to_pandas()["id"].tolist() == [f"00000/k{number:03d}" for number in range(COUNT) if number != 5]
    assert noted(tmp_path)["00000/k000"] == 3


def test_several_deaths_in_one_partition(started, tmp_path):
    """Each costs its own image and its own batch."""
    fatal = ("00000/k001", FATAL, "00000/k008")
    tasks, records = run(started, tmp_path / "in", [Notes(log=str(tmp_path / "log")), Dies(on=fatal, watched=False)])
    assert sorted(record.image_id for record in records) == sorted(fatal)
    assert len([image for task in tasks for image in task.data]) == COUNT - 3
    assert max(noted(tmp_path).values()) <= 4

"""A budget of memory decides how many workers there are and who waits for whom, and nothing that anybody sees."""

from __future__ import annotations

import hashlib
import os
import signal
import sys
import zlib
from dataclasses import dataclass
from pathlib import Path

import pytest

from nemo_curator.backends.local import LocalExecutor
from nemo_curator.errors import MemoryBudgetError
from nemo_curator.pipeline import Pipeline
from nemo_curator.pipeline.progress import Watcher
from nemo_curator.pipeline.progress.events import Noted
from nemo_curator.pipeline.score_run import score_run
from nemo_curator.planning.recipe import Recipe
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.stages.base import ProcessingStage
from nemo_curator.stages.file_partitioning import FilePartitioningStage
from nemo_curator.stages.image.filters.entropy_filter import ImageEntropyFilterStage
from nemo_curator.stages.image.io.image_reader import ImageReaderStage
from nemo_curator.tasks import FileGroupTask, ImageBatch
from nemo_curator.testing import encoded, make_tar, photo

LIMITS = {"memory": 300_000_000, "bytes": 8_000_000}
RECIPE = Recipe(scores=["header", "entropy", "hashes", "pixels"], rules={}, limits=LIMITS)
# one worker without turns; two with turns; two that may take whatever they like
BUDGETS = (700_000_000, 1_000_000_000, 4_000_000_000)
LARGE = (3000, 2400)  # more than a worker's own share, by its header


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    """Three shards: small pictures, large ones that workers must wait for, broken ones, one over the limit."""
    folder = tmp_path_factory.mktemp("shards")
    large = encoded(photo(1, *LARGE), quality=70)
    small = [encoded(photo(number, 200 + number, 150)) for number in range(6)]
    over = encoded(photo(2, 64, 64), "PNG")
    size = b"IHDR" + (50_000).to_bytes(4, "big") + (40_000).to_bytes(4, "big") + over[24:29]
    over = over[:12] + size + zlib.crc32(size).to_bytes(4, "big") + over[33:]
    for shard in range(3):
        members = [(f"{number}.jpg", data) for number, data in enumerate(small)]
        members += [(f"large-{number}.jpg", large + bytes([shard, number])) for number in range(3)]
        members += [("broken.jpg", large[: len(large) // 2]), ("over.png", over)]
        members += [("captioned.jpg", small[0]), ("captioned.bin", bytes(7_000_000)), ("captioned.npy", bytes(10**6))]
        make_tar(folder / f"{shard}.tar", members)
    return folder


def parts(folder, run, **asked):
    """Name to digest of the parts of a scoring."""
    place = RunDirectory(str(run))
    score_run([str(folder)], place, RECIPE, **asked)
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in Path(place.root).glob("parts/*")}
    assert len(found) == 3
    return found


def test_parts_are_the_same_bytes_whatever_the_budget(shards, tmp_path):
    """With one worker, with two that wait for each other, with two that need not, and without any."""
    plain = parts(shards, tmp_path / "plain", workers=0)
    for budget in BUDGETS:
        assert parts(shards, tmp_path / str(budget), workers=2, memory=budget) == plain


def test_the_plan_of_these_budgets_is_what_it_is_meant_to_be(shards, tmp_path):
    """One worker, two with turns, two without."""
    from nemo_curator.pipeline.score_run import preview_score
    from nemo_curator.planning.means import Asked

    plans = [
        preview_score([str(shards)], RunDirectory(str(tmp_path / "run")), RECIPE, asked=Asked(2, budget)).means
        for budget in BUDGETS
    ]
    assert [(one.shares.workers, one.memory.is_shared) for one in plans] == [(1, False), (2, True), (2, False)]
    assert all(one.memory.own < 150_000_000 for one in plans[1:2])


class Notes(Watcher):
    """Remembers what it is told."""

    def __init__(self):
        """Nothing yet."""
        self.notes = []

    def told(self, event):
        """Sentences."""
        self.notes += event.notes if isinstance(event, Noted) else ()


def test_a_run_says_when_memory_decides_how_many_workers_there_are(shards, tmp_path):
    """In a sentence, where there are fewer than were asked for; else nothing."""
    watchers = [Notes(), Notes()]
    for watcher, budget in zip(watchers, BUDGETS[:2], strict=True):
        score_run(
            [str(shards)], RunDirectory(str(tmp_path / str(budget))), RECIPE, workers=2, memory=budget, watcher=watcher
        )
    assert [watcher.notes for watcher in watchers] == [
        ["there is memory for 1 of 2 workers within 0.7 GB (--memory)"],
        [],
    ]


def test_too_little_is_refused_before_anything_is_written(shards, tmp_path):
    """One sentence with the numbers, and no run directory."""
    with pytest.raises(MemoryBudgetError, match=r"500 MB of memory are too little for this run, which needs 6"):
        score_run([str(shards)], RunDirectory(str(tmp_path / "run")), RECIPE, memory=500_000_000)
    assert not (tmp_path / "run").exists()


@dataclass
class Holds(ProcessingStage[ImageBatch, ImageBatch]):
    """Takes a turn at the shared memory for each batch; the first who has one dies."""

    mark: str = ""
    _name: str = "holds"

    def process(self, task):
        """Leave a mark, and be gone."""
        from nemo_curator.codecs.memory_share import here

        with here.lent(here.most):  # all that there is: whoever else wants any of it waits
            if not Path(self.mark).exists():
                Path(self.mark).touch()
                os.kill(os.getpid(), signal.SIGKILL)
        return task


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs signals of Linux")
def test_a_worker_that_dies_in_its_turn_is_in_nobodys_way(shards, tmp_path):
    """What it held is free again: the others go on, and its partition is finished by the next worker."""
    reader, mark = ImageReaderStage(limits=RECIPE.limits.as_limits(), dali_batch_size=3), tmp_path / "mark"
    stages = [FilePartitioningStage(str(shards)), reader, Holds(mark=str(mark)), Keys()]
    pipeline = Pipeline("p", stages=stages)
    tasks = pipeline.run(LocalExecutor({"num_workers": 2, "memory": "1GB"}))
    assert mark.exists()
    assert sorted(key for task in tasks for key in task.data) == sorted(
        f"{shard}/{key}" for shard in range(3) for key in [*range(6), "captioned", "large-0", "large-1", "large-2"]
    )
    assert {one.code for one in pipeline.records} == {"decode_failed", "over_limit"}


class Keys(ProcessingStage[ImageBatch, FileGroupTask]):
    """Leaves nothing of images but their ids."""

    name = "keys"

    def process(self, task):
        """Without pixels and bytes, which would all come back to the test."""
        return FileGroupTask(data=[image.image_id for image in task.data])


@pytest.mark.parametrize("memory", [0, -1, True, "much", "4 elephants"])
def test_a_budget_that_is_none_is_refused(memory):
    """Before anything runs."""
    with pytest.raises(ValueError, match=r"memory must be|is no size"):
        LocalExecutor({"memory": memory}).execute([FilePartitioningStage("nowhere")])


def test_a_pipeline_by_hand_may_have_one_too(shards):
    """As a text or a number; in one process it is checked all the same."""
    stages = [FilePartitioningStage(str(shards)), ImageReaderStage(), ImageEntropyFilterStage()]
    with pytest.raises(MemoryBudgetError):
        LocalExecutor({"memory": "1GB", "num_workers": 0}).execute(stages)

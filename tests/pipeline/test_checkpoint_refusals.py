"""A checkpoint never gives results of another pipeline, and never touches what is not its own."""

from __future__ import annotations

import datetime as dt
import functools
import json
import os
import re
import subprocess
import sys
import threading
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from loguru import logger
from tests.contract.conftest import EXECUTORS, make
from tests.contract.stages import Batches, OddFilter, Plain, Sources
from tests.pipeline.checkpoint_stages import Adds, GivesOwn, Marks, Own, told

from nemo_curator import storage
from nemo_curator.errors import LockedError, OutputExistsError, StageError, StorageError
from nemo_curator.pipeline import Pipeline
from nemo_curator.pipeline.checkpointing.plan import plan_changes, plan_of
from nemo_curator.stages.base import ProcessingStage
from nemo_curator.stages.function_decorators import processing_stage
from nemo_curator.stages.image.io.image_reader import ImageReaderStage
from nemo_curator.stages.resources import Resources
from nemo_curator.tasks import FileGroupTask, ImageBatch, ImageObject


def run(parts, checkpoint, tasks=None, workers="in-process"):
    """The results."""
    return Pipeline("p", stages=parts).run(make(*EXECUTORS[workers]), tasks, str(checkpoint))


def contents(folder):
    """Every file and its bytes."""
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def doubled(task: ImageBatch) -> ImageBatch:
    """One thing."""
    task._metadata = {"n": 2}
    return task


def tripled(task: ImageBatch) -> ImageBatch:
    """Another thing."""
    task._metadata = {"n": 3}
    return task


tripled.__qualname__ = tripled.__name__ = "doubled"  # as if the text of the function had been edited


class Threshold(Plain):
    """Has a parameter that is no field of a dataclass."""

    def __init__(self, threshold):
        """Under a name that looks private."""
        self._threshold = threshold


class Sharper(Plain):
    """The same with another number in its class."""

    sharpness = 3


class Duller(Plain):
    """The same with another number in its class."""

    sharpness = 2


Duller.__qualname__ = Duller.__name__ = "Sharper"


def returning(number):
    """A function that knows a number."""
    return lambda: number


class Config:
    """Settings of the plainest kind, in a class of a script."""

    def __init__(self, size):
        """One."""
        self.size = size


Config.__module__ = "__main__"


class Slots:
    """Settings that no `__dict__` shows."""

    __slots__ = ("size",)


BASE = [Sources(), Batches(), OddFilter()]
CHANGES = {
    "a parameter": ([Batches(size=4), OddFilter()], r"stage 'batches', parameters.size: 3 → 4"),
    "a threshold": ([Batches(), OddFilter(score_threshold=0.7)], r"stage 'odd', parameters.score_threshold: 0.5 → 0.7"),
    "a name": ([Batches(), OddFilter(name="even")], r"its stages were .*odd \(.*and are .*even \("),
    "a stage more": ([Batches(), OddFilter(), Plain()], r"and are .*plain"),
    "a stage less": ([Batches()], r"and are batches \([\w.]*Batches\)"),
    "the order": ([OddFilter(), Batches()], r"were batches .*, odd .* and are odd .*, batches"),
    "the batch size": ([Batches(), OddFilter().with_(batch_size=2)], r"stage 'odd', batch_size: 1 → 2"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_another_pipeline_is_refused(tmp_path, change):
    """What changed is named, and nothing is written or removed."""
    run(BASE, tmp_path / "c")
    before = contents(tmp_path)
    parts, said = CHANGES[change]
    with pytest.raises(OutputExistsError, match=f"another pipeline: .*{said}") as caught:
        run([Sources(), *parts], tmp_path / "c")
    assert caught.value.where == str(tmp_path / "c")
    assert contents(tmp_path) == before


PAIRS = {
    "a function's text": (processing_stage()(doubled), processing_stage()(tripled), "parameters.function.code"),
    "a bound value": (
        processing_stage("f")(functools.partial(np.add, 1)),
        processing_stage("f")(functools.partial(np.add, 2)),
        "parameters.function.partial",
    ),
    "an object's attribute": (Adds(Config(1)), Adds(Config(2)), "parameters.what.state.size: 1 → 2"),
    "a function in C": (Adds(np.add), Adds(np.subtract), "parameters.what.ufunc: add → subtract"),
    "a number of NumPy": (Adds(np.float32(1)), Adds(np.float64(1)), "parameters.what.numpy"),
    "a bound method": (Adds(Threshold(1).process), Adds(Threshold(2).process), "parameters.what.method"),
    "a closure": (Adds(returning(1)), Adds(returning(2)), "parameters.what.bound"),
    "a pattern": (Adds(re.compile("a")), Adds(re.compile("a", re.IGNORECASE)), "parameters.what.pattern"),
    "a path": (Adds(Path("a")), Adds(Path("b")), "parameters.what.pathlib"),
    "a type": (Adds(1), Adds(1.0), "parameters.what: 1 → 1.0"),
    "nothing and no such thing": (Adds({"a": None}), Adds({}), "parameters.what"),
    "a plain attribute": (Threshold(0.1), Threshold(0.2), "parameters._threshold: 0.1 → 0.2"),
    "a class attribute": (Sharper(), Duller(), "code.sharpness: 3 → 2"),
    "an array": (Adds(np.arange(3)), Adds(np.arange(4)), "parameters.what"),
    "a limit": (
        ImageReaderStage(),
        replace(ImageReaderStage(), limits=replace(ImageReaderStage().limits, pixels=7)),
        "limits.*pixels",
    ),
}


@pytest.mark.parametrize("pair", PAIRS)
def test_what_counts_as_a_change(pair):
    """Parameters of any kind, of any kind of stage, and what its code says."""
    one, other, said = PAIRS[pair]
    assert plan_changes(plan_of([one]), plan_of([one])) == ""
    assert said.split(".*", maxsplit=1)[0] in plan_changes(plan_of([one]), plan_of([other]))


def test_what_does_not_count_as_a_change():
    """Where and beside how many others a stage runs, and in which of equal ways a set is ordered."""
    moved = OddFilter().with_(resources=Resources(cpus=7), num_workers=3, runtime_env={"pip": []})
    assert plan_changes(plan_of([OddFilter()]), plan_of([moved])) == ""
    assert plan_changes(plan_of([Adds({"a", "b", "c"})]), plan_of([Adds({"c", "b", "a"})])) == ""


@pytest.mark.parametrize("value", [Slots(), iter([]), np.random.default_rng(1), memoryview(b"")])
def test_what_cannot_be_looked_into(value):
    """An object that hides what it is made of is no parameter that could be compared."""
    with pytest.raises(StageError, match="stays the same: it holds a"):
        plan_of([Adds(value)])


def test_objects_that_hold_themselves():
    """A knot is described once around."""
    config = Config(1)
    config.own = [config, logger]
    assert plan_changes(plan_of([Adds(config)]), plan_of([Adds(config)])) == ""


def test_many_changes_are_counted():
    """Three are told."""
    before = plan_of([Batches(), OddFilter()])
    after = plan_of([Batches(7, 7), OddFilter(score_threshold=0.1, verbose=True, num_gpus_per_worker=1.0)])
    assert plan_changes(before, after).endswith("; and 2 more")


def test_other_versions_are_refused(tmp_path, monkeypatch):
    """Another version of this package, or of a library that decodes, is named."""
    run(BASE, tmp_path / "c")
    monkeypatch.setattr("nemo_curator.pipeline.checkpointing.plan.__version__", "99")
    with pytest.raises(OutputExistsError, match=r"imagecurator: .* → 99"):
        run(BASE, tmp_path / "c")


def test_the_list_of_partitions_may_be_made_by_other_means(tmp_path):
    """Stages that start from nothing are not compared: what they give is."""
    first = run(BASE, tmp_path / "c")
    more = run([Sources(4), *BASE[1:]], tmp_path / "c")
    assert told(more[: len(first)]) == told(first)


@pytest.mark.parametrize("name", ["notes.txt", "partitions/x.arrow", "partitions/ab/x", "a.tmp-0123456789ab"])
def test_a_foreign_directory_is_refused(tmp_path, name):
    """A directory that holds anything else is named with it, and left as it is."""
    path = tmp_path / "c" / name
    path.parent.mkdir(parents=True)
    path.write_text("mine")
    before = contents(tmp_path)
    with pytest.raises(OutputExistsError, match=f"{name!r}, which is no part of a checkpoint"):
        run(BASE, tmp_path / "c")
    assert contents(tmp_path) == before


@pytest.mark.parametrize("text", ["{}", "[]", "{", "", '{"checkpoint": "other"}', '{"epoch": 3}'])
def test_a_foreign_checkpoint_json_is_refused(tmp_path, text):
    """Others call files `checkpoint.json` too."""
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "checkpoint.json").write_text(text)
    with pytest.raises(OutputExistsError, match="no part of a checkpoint"):
        run(BASE, tmp_path / "c")
    assert (tmp_path / "c" / "checkpoint.json").read_text() == text


def test_a_file_is_no_directory(tmp_path):
    """A file under the name of the directory is refused in a sentence."""
    (tmp_path / "c").write_text("mine")
    with pytest.raises(StorageError, match="cannot be written"):
        run(BASE, tmp_path / "c")
    assert (tmp_path / "c").read_text() == "mine"


def test_a_damaged_plan_is_written_anew(tmp_path):
    """Beside partitions of ours; those of another pipeline are known by what they say themselves."""
    (tmp_path / "m").mkdir()
    parts = [Sources(2), Marks(str(tmp_path / "m")), Batches()]
    run(parts, tmp_path / "c")
    path = tmp_path / "c" / "checkpoint.json"
    whole = path.read_bytes()
    path.write_bytes(whole[:50])
    said = []
    sink = logger.add(said.append, level="WARNING", format="{message}")
    other = run([*parts, OddFilter()], tmp_path / "c")
    logger.remove(sink)
    assert str(path) in said[0]
    assert [len(task.data) for task in other] == [2, 1, 2, 1]  # those with even numbers: no result of `parts`
    assert len(list((tmp_path / "m").iterdir())) == 4
    assert path.read_bytes() != whole


def test_two_at_once(tmp_path):
    """While another process (here: another holder of the lock) works there, a run is refused."""
    with storage.locked(str(tmp_path / "c")), pytest.raises(LockedError):
        run(BASE, tmp_path / "c")
    assert run(BASE, tmp_path / "c")


UNKEPT = {
    "a datetime": ([Batches(), Adds(lambda: dt.datetime(2020, 1, 1, tzinfo=dt.UTC))], "datetime.datetime", "what"),
    "an own task": ([Batches(), GivesOwn()], "Own", r"results\[0\]"),
}


@pytest.mark.parametrize("workers", ["in-process", "two-workers"])
@pytest.mark.parametrize("kind", UNKEPT)
def test_results_that_are_no_data_are_refused(tmp_path, kind, workers):
    """At the first result, by its class, with what to do; and nothing is kept that would resume wrongly."""
    parts, named, where = UNKEPT[kind]
    with pytest.raises(StageError, match=rf"{where}.*cannot be kept in a checkpoint: it holds a .*{named}.*writes"):
        run([Sources(), *parts], tmp_path / "c", workers=workers)
    assert list((tmp_path / "c").rglob("*.arrow")) == []


def test_values_nested_too_deep_are_refused(tmp_path):
    """No crash, however deep, and however a value holds itself."""

    def knot():
        tied = []
        tied.append(tied)
        return tied

    with pytest.raises(StageError, match="nested too deep"):
        run([Sources(1), Batches(), Adds(knot)], tmp_path / "c")


def test_stages_that_cannot_be_compared_are_refused(tmp_path):
    """A lock in an attribute says nothing that holds in another process."""
    stage = Plain()
    stage.guard = {"lock": [threading.Lock()]}
    with pytest.raises(StageError, match=r"guard.*'lock'.*\[0\].*'plain' stays the same: it holds a _thread.lock"):
        run([Sources(), Batches(), stage], tmp_path / "c")


def test_tasks_that_cannot_be_found_again_are_refused(tmp_path):
    """Initial tasks are known by what is in them."""
    batch = ImageBatch(data=[ImageObject(image_id="a/0", metadata={"open": threading.Lock()})], task_id="mine")
    with pytest.raises(StageError, match=r"metadata.*'open'.*'mine' cannot be found again"):
        run([Plain()], tmp_path / "c", [batch])


def test_an_own_task_may_start_a_pipeline(tmp_path):
    """To be found again a task need be no kind that is kept."""

    @dataclass
    class Makes(ProcessingStage):
        _name: str = "makes"

        def process(self, task):
            return FileGroupTask(data=[str(number) for number in task.data])

    for _ in range(2):
        (done,) = run([Makes()], tmp_path / "c", [Own(data=[1, 2])])
        assert done.data == ["1", "2"]
    assert len(list((tmp_path / "c").rglob("*.arrow"))) == 1


def test_stable_over_processes(tmp_path):
    """Names and contents of `checkpoint.json` and of the partitions do not depend on the process or its hash seed."""
    script = (
        "import sys\n"
        "from tests.pipeline.test_checkpoint_refusals import *\n"
        "run([*BASE, Adds({'a', 'b', 'c', None}), processing_stage()(doubled)], sys.argv[1])\n"
        "run([Adds(frozenset('xyz'))], sys.argv[1] + '2', [ImageBatch(data=[ImageObject(image_id='i')])])\n"
    )
    found = []
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(__file__).parents[2])}
        command = [sys.executable, "-c", script, str(tmp_path / seed)]
        subprocess.run(command, check=True, env=environment, capture_output=True)
        plans = [json.loads((tmp_path / f"{seed}{end}" / "checkpoint.json").read_text()) for end in ("", "2")]
        names = [path.name for end in ("", "2") for path in sorted((tmp_path / f"{seed}{end}").rglob("*.arrow"))]
        found.append((plans, names))
    assert found[0] == found[1]
    assert len(found[0][1]) == 4

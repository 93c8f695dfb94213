"""A pipeline with a checkpoint gives what one without gives, and runs nothing twice."""

from __future__ import annotations

import os

import pyarrow as pa
import pytest
from loguru import logger
from tests.contract.conftest import EXECUTORS, make
from tests.contract.stages import Batches, ForeignFilter, OddFilter, Sources
from tests.pipeline.checkpoint_stages import Adds, Breadth, Fetches, Marks, Paints, Whole, marked, told
from tests.public_api.fakes import make_shards

from nemo_curator.backends.local import LocalExecutor
from nemo_curator.pipeline import Pipeline
from nemo_curator.stages.base import ProcessingStage
from nemo_curator.stages.file_partitioning import FilePartitioningStage
from nemo_curator.stages.image.io.convert import ConvertImageBatchToDocumentBatchStage
from nemo_curator.stages.image.io.image_reader import ImageReaderStage
from nemo_curator.stages.image.io.image_writer import ImageWriterStage
from nemo_curator.tasks import DocumentBatch, EmptyTask, FileGroupTask, ImageBatch, ImageObject

NAMES = [*EXECUTORS, "foreign"]


def executor_named(name):
    """An executor of the contract suite, or a user's own."""
    return Breadth() if name == "foreign" else make(*EXECUTORS[name])


def stages(folder, partitions=3):
    """A pipeline that gives images with everything, and rejects half of them."""
    return [Sources(partitions), Marks(str(folder)), Batches(), Paints(), OddFilter()]


def run(parts, checkpoint=None, executor=None, tasks=None):
    """(what the results say, what the records say)."""
    pipeline = Pipeline("p", stages=parts)
    results = pipeline.run(executor or make(*EXECUTORS["in-process"]), tasks, checkpoint and str(checkpoint))
    return told(results), told(pipeline.records)


@pytest.fixture
def warned():
    """What was said in the log, from warnings up."""
    said = []
    sink = logger.add(lambda message: said.append(message.record["message"]), level="WARNING")
    yield said
    logger.remove(sink)


@pytest.fixture
def folder(tmp_path):
    """Where stages leave their marks."""
    (tmp_path / "marks").mkdir()
    return tmp_path / "marks"


def parts_of(checkpoint):
    """The files of partitions that are done."""
    return sorted((checkpoint / "partitions").glob("*.arrow"))


@pytest.mark.parametrize("name", NAMES)
def test_equal_to_a_run_without(folder, tmp_path, name):
    """The first run, and one that finds everything done, give results and records of a run without checkpoint."""
    plain = run(stages(folder), executor=executor_named(name))
    assert run(stages(folder), tmp_path / "c", executor_named(name)) == plain
    assert marked(folder) == {"a": 2, "b": 2, "c": 2}
    executor = executor_named(name)
    assert run(stages(folder), tmp_path / "c", executor) == plain
    assert marked(folder) == {"a": 2, "b": 2, "c": 2}
    assert told(executor.records) == plain[1]


@pytest.mark.parametrize(("name", "missing"), [*((name, 2) for name in NAMES), ("two-workers", 1), ("in-process", 3)])
def test_only_missing_partitions_are_run(folder, tmp_path, name, missing):
    """As many as have no file, on every executor; the others' files are not written again."""
    first = run(stages(folder), tmp_path / "c")
    for path in parts_of(tmp_path / "c")[:missing]:
        path.unlink()
    times = {path: path.stat().st_mtime_ns for path in parts_of(tmp_path / "c")}
    assert run(stages(folder), tmp_path / "c", executor_named(name)) == first
    assert sum(marked(folder).values()) == 3 + missing
    assert {path: path.stat().st_mtime_ns for path in times} == times


@pytest.mark.parametrize("place", ["memory://{}/c", "file://{}/c/", "{}/c//"])
def test_however_the_place_is_spelled(folder, tmp_path, place):
    """A store is as good as a folder, and a folder may be a URL or end in slashes."""
    place = place.format(tmp_path)
    plain = run(stages(folder))
    assert [run(stages(folder), place) for _ in range(2)] == [plain, plain]
    assert marked(folder) == {"a": 2, "b": 2, "c": 2}


def test_composites_are_taken_apart_first(folder, tmp_path):
    """A composite that starts from nothing has its partitions kept one by one, as its stages would have."""
    whole = run([Whole(str(folder))], tmp_path / "c")
    assert len(parts_of(tmp_path / "c")) == 3
    assert run(stages(folder), tmp_path / "c") == whole
    assert marked(folder) == {"a": 1, "b": 1, "c": 1}


def test_records_that_no_result_carries(folder, tmp_path):
    """What was rejected before images became rows is in `records` after a resume too."""
    parts = [*stages(folder), ForeignFilter(), ConvertImageBatchToDocumentBatchStage()]
    plain = run(parts)
    assert len(plain[1][1]) > 9
    assert run(parts, tmp_path / "c") == plain
    parts_of(tmp_path / "c")[0].unlink()
    assert run(parts, tmp_path / "c") == plain


def test_a_record_that_a_result_carries_is_one_object(folder, tmp_path):
    """As without checkpoint: the batch and `Pipeline.records` hold the same record."""
    for _ in range(2):
        pipeline = Pipeline("p", stages=stages(folder))
        results = pipeline.run(make(*EXECUTORS["in-process"]), checkpoint_path=str(tmp_path / "c"))
        carried = [record for task in results for record in task.records]
        assert [id(record) for record in carried] == [id(record) for record in pipeline.records]
        assert len(carried) == 9


def test_edits_inside_an_array_are_still_edits(folder, tmp_path):
    """Pixels that a stage changed in place are known as changed after the way through the file."""
    for _ in range(2):
        results = Pipeline("p", stages=stages(folder)).run(LocalExecutor({"num_workers": 0}), None, str(tmp_path / "c"))
        images = [image for task in results for image in task.data]
        assert [image.edited_in_place() for image in images] == [int(image.image_id[-1]) % 4 != 0 for image in images]
        assert all(image.encoded for image in images)


def test_more_input_is_picked_up(folder, tmp_path):
    """New partitions are run, wherever they stand in the list; the result is that of a run on all."""
    make_shards(tmp_path / "in", shards=3, each=2)
    parts = [FilePartitioningStage(str(tmp_path / "in")), Marks(str(folder)), ImageReaderStage()]
    (tmp_path / "in" / "00001.tar").rename(tmp_path / "later.tar")
    run(parts, tmp_path / "c")
    (tmp_path / "later.tar").rename(tmp_path / "in" / "00001.tar")
    assert run(parts, tmp_path / "c") == run(parts)
    assert marked(folder) == {"00000": 2, "00001": 2, "00002": 2}


def test_what_vanished_does_not_come_back(folder, tmp_path):
    """Results of a partition that is not in the input any more are not among the results; they may return later."""
    all_three = run(stages(folder), tmp_path / "c")
    assert run(stages(folder, partitions=2), tmp_path / "c") == run(stages(folder, partitions=2))
    assert run(stages(folder), tmp_path / "c") == all_three
    assert marked(folder) == {"a": 2, "b": 2, "c": 1}


def test_a_changed_file_is_read_again(folder, tmp_path):
    """A shard that was written anew under its old name is another input."""
    make_shards(tmp_path / "in", shards=2, each=2)
    parts = [FilePartitioningStage(str(tmp_path / "in")), Marks(str(folder)), ImageReaderStage()]
    run(parts, tmp_path / "c")
    make_shards(tmp_path / "other", shards=1, each=4)
    (tmp_path / "other" / "00000.tar").replace(tmp_path / "in" / "00000.tar")
    assert run(parts, tmp_path / "c") == run(parts)
    assert marked(folder) == {"00000": 3, "00001": 2}


@pytest.mark.parametrize("loss", ["removed", "cut"])
def test_files_that_a_result_names_must_be_there(folder, tmp_path, warned, loss):
    """A tar that a writer stage wrote, and that is gone or shorter, is written again."""
    parts = [*stages(folder), ImageWriterStage(str(tmp_path / "out"))]
    run(parts, tmp_path / "c")
    tars = sorted((tmp_path / "out").glob("*.tar"))
    whole = {tar: tar.read_bytes() for tar in tars}
    if loss == "removed":
        tars[0].unlink()
    else:
        tars[0].write_bytes(whole[tars[0]][:100])
    run(parts, tmp_path / "c")
    assert {tar: tar.read_bytes() for tar in tars} == whole
    assert sum(marked(folder).values()) == 4
    assert str(tars[0]) in warned[0]


INITIAL = {
    "images": lambda: [ImageBatch(data=[ImageObject(image_id=f"{name}/0")]) for name in "ab"],
    "same twice": lambda: [ImageBatch(data=[ImageObject(image_id="a/0")]) for _ in range(2)],
    "files": lambda: [FileGroupTask(data=[name]) for name in "ab"],
    "one id": lambda: [FileGroupTask(data=[name], _metadata={"partition_id": "x"}) for name in "ab"],
    "rows": lambda: [DocumentBatch(data=pa.table({"n": [number]})) for number in range(2)],
    "empty class": lambda: [EmptyTask],
}


PASSED = []


class Passes(ProcessingStage):
    """Gives back whatever it gets, and notes it."""

    name = "passes"

    def process(self, task):
        """As it is."""
        PASSED.append(task)
        return task


@pytest.mark.parametrize("kind", INITIAL)
def test_tasks_made_by_hand(tmp_path, kind):
    """Initial tasks of every kind are found again by what is in them; equal ones are told apart by their number."""
    first = [Sources(2)] if kind == "empty class" else []
    PASSED.clear()
    plain = run([*first, Passes()], tasks=INITIAL[kind]())
    assert run([*first, Passes()], tmp_path / "c", tasks=INITIAL[kind]()) == plain
    assert len(PASSED) == 4
    assert run([*first, Passes()], tmp_path / "c", tasks=INITIAL[kind]()) == plain
    assert len(PASSED) == 4


def test_pandas_rows(tmp_path):
    """Frames go in and come out, with their index and column of lists."""
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"n": [1, 2], "lists": [[1], ["x", None]]}, index=["p", "q"])
    for _ in range(2):
        (done,) = Pipeline("p", stages=[Passes()]).run(
            make(*EXECUTORS["in-process"]), [DocumentBatch(data=frame)], str(tmp_path / "c")
        )
        pandas.testing.assert_frame_equal(done.data, frame)
    assert len(parts_of(tmp_path / "c")) == 1


def test_a_path_object_will_do(folder, tmp_path):
    """As for any other place."""
    Pipeline("p", stages=stages(folder)).run(make(*EXECUTORS["in-process"]), checkpoint_path=tmp_path / "c")
    assert len(parts_of(tmp_path / "c")) == 3


@pytest.mark.parametrize("parts", [[Sources(0), Paints()], [Sources(2)]], ids=["no partition", "no stage after"])
def test_nothing_to_keep(tmp_path, parts):
    """Where no work follows the list of partitions, nothing is kept, and nothing goes wrong."""
    assert run(parts, tmp_path / "c") == run(parts)
    assert parts_of(tmp_path / "c") == []


def test_what_a_stage_loads_in_setup_is_no_parameter(tmp_path):
    """The same pipeline object runs twice in one process, though its stages load things that nobody can describe."""

    class Loads(Adds):
        def __init__(self):
            super().__init__(what=1)
            self.limit = 3

        def setup(self, _worker_metadata=None):
            self.model = open(os.devnull)  # noqa: PTH123, SIM115 (closed in teardown)

        def teardown(self):
            self.model.close()

    pipeline = Pipeline("p", stages=[Sources(), Batches(), Loads()])
    first = pipeline.run(make(*EXECUTORS["in-process"]), checkpoint_path=str(tmp_path / "c"))
    assert told(pipeline.run(make(*EXECUTORS["in-process"]), checkpoint_path=str(tmp_path / "c"))) == told(first)


DAMAGES = {
    "empty": lambda data: b"",
    "torn": lambda data: data[: len(data) // 2],
    "without its end": lambda data: data[:-1],
    "zeros": lambda data: bytes(len(data)),
    "a bit": lambda data: data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 1]) + data[len(data) // 2 + 1 :],
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_files_are_made_again(folder, tmp_path, warned, damage):
    """A partition's file that is not what was written is named, and the partition run again."""
    first = run(stages(folder), tmp_path / "c")
    path = parts_of(tmp_path / "c")[0]
    path.write_bytes(DAMAGES[damage](path.read_bytes()))
    assert run(stages(folder), tmp_path / "c") == first
    assert sum(marked(folder).values()) == 4
    assert [str(path) in message for message in warned] == [True]
    assert run(stages(folder), tmp_path / "c") == first
    assert sum(marked(folder).values()) == 4


def test_every_byte_of_a_file_counts(tmp_path):
    """Whatever single byte is damaged: the result is the right one, never an error or something else."""
    parts = [Sources(1), Batches(batches=1, size=1), Paints()]
    first = run(parts, tmp_path / "c")
    (path,) = parts_of(tmp_path / "c")
    data = path.read_bytes()
    logger.disable("nemo_curator")
    try:
        for place in range(0, len(data), 7):
            path.write_bytes(data[:place] + bytes([data[place] ^ 0xFF]) + data[place + 1 :])
            assert run(parts, tmp_path / "c") == first, place
    finally:
        logger.enable("nemo_curator")


def test_temporary_files_are_swept(folder, tmp_path):
    """What a killed process left half-written goes; nothing else does."""
    first = run(stages(folder), tmp_path / "c")
    path = parts_of(tmp_path / "c")[0]
    ours = [path.with_name(path.name + ".tmp-0123456789ab"), tmp_path / "c" / "checkpoint.json.tmp-0123456789ab"]
    theirs = [path.with_name("notes.tmp-0123456789ab"), tmp_path / "c" / "notes.txt"]
    for file in [*ours, *theirs]:
        file.write_bytes(b"half")
    assert run(stages(folder), tmp_path / "c") == first
    assert not any(file.exists() for file in ours)
    assert all(file.exists() for file in theirs)


def test_weights_that_a_stage_fetches_itself(tmp_path):
    """A checkpoint is told by the bytes of weights, so those that a stage fetches are there before it is compared."""
    parts = [Sources(2), Batches(), Fetches(str(tmp_path / "weights")), OddFilter()]
    first = run(parts, tmp_path / "c")
    assert (tmp_path / "weights").read_text() == "weights"
    assert run(parts, tmp_path / "c") == first

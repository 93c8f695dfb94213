"""A seat, in this process: it takes partitions as Ray hands them over, and answers for its workers."""

from __future__ import annotations

import sys
from contextlib import closing
from dataclasses import replace

import cloudpickle
import psutil
import pytest
from tests.contract.on_threads import NewsHere, SeatsExecutor
from tests.contract.shared import children as ours
from tests.contract.stages import Batches, Dies, DiesOnce, OddFilter, OnNode, Plain, Raises, Sources
from tests.contract.test_behaviour import ids

from nemo_curator.backends.local.events import Pulse, WorkerDied
from nemo_curator.backends.ray_data.news import Condemned, Happened, Read
from nemo_curator.backends.ray_data.orders import Orders, partition_row, read_result
from nemo_curator.backends.ray_data.seat import Seat
from nemo_curator.codecs.options import DecodeOptions
from nemo_curator.errors import MemoryBudgetError, StageError
from nemo_curator.pipeline import Pipeline
from nemo_curator.stages.fingerprint import stage_facts
from nemo_curator.stages.image.filters.sharpness_filter import ImageSharpnessFilterStage
from nemo_curator.tasks import FileGroupTask, ImageBatch, ImageObject

ALL = [f"a/{number}" for number in range(6)]


def orders(*stages, **settings):
    """What a seat of one worker is told."""
    told = Orders(
        stages=cloudpickle.dumps(list(stages)),
        sys_path=(),
        workers=1,
        share=1.0,
        memory=None,
        image_seconds=60.0,
        image_memory=1 << 30,
        model_seconds=60.0,
        witnesses=(),
        computed=cloudpickle.dumps([]),
        news=NewsHere(),
    )
    return replace(told, **settings)


def partition(name="a"):
    """One that `Batches` reads."""
    return partition_row(7, FileGroupTask(data=[name], task_id=name))


def outcome(row):
    """(Ids of the images that are left, ids of those that are not)."""
    index, results = read_result(row)
    assert index == 7
    tasks = [task for packed in results for task in cloudpickle.loads(packed)[0]]
    return ids(tasks), [record.image_id for task in tasks for record in task.records]


def children():
    """Processes that this one started and that live, with theirs, but for a Ray cluster that other tests keep open."""
    found = [one for child in ours() for one in (child, *child.children(recursive=True))]
    return [one.pid for one in found if one.status() != psutil.STATUS_ZOMBIE]


def test_a_partition_goes_in_and_its_results_come_out():
    """And all of its records have been told by then."""
    told = orders(Batches(), OddFilter())
    with closing(Seat(told)) as seat:
        assert outcome(seat(partition())) == (ALL[::2], ALL[1::2])
        read = [one for one in told.news.take() if isinstance(one, Read)]
    assert [(one.index, one.records) for one in read] == [(7, 3), (7, 3)]
    assert len({one.attempt for one in read}) == 1


def test_one_set_up_for_all_partitions(tmp_path):
    """Models are loaded once a worker; stages are torn down when there is no more work, and no process is left."""
    before = children()
    seat = Seat(orders(Batches(), OnNode(folder=str(tmp_path))))
    for _ in range(3):
        assert outcome(seat(partition()))[0] == ALL
    seat.close()
    seen = sorted(path.name.partition("-")[0] for path in tmp_path.iterdir())
    assert seen == ["prepared", "setup", "teardown"]
    assert set(children()) <= set(before)  # what another test left behind may end meanwhile


def test_a_death_costs_one_image():
    """As with the local executor; and it is told at once, for the run directory."""
    told = orders(Batches(), Dies(on=("a/1",)))
    with closing(Seat(told)) as seat:
        left, gone = outcome(seat(partition()))
    assert (left, gone) == ([one for one in ALL if one != "a/1"], ["a/1"])
    news = told.news.take()
    condemned = [one for one in news if isinstance(one, Condemned)]
    assert condemned == [Condemned(7, "a/1", "its worker was killed by SIGKILL, twice")]
    died = [one.event for one in news if isinstance(one, Happened) and isinstance(one.event, WorkerDied)]
    assert [(one.image, one.worker.rpartition("/")[2], one.successor.rpartition("/")[2]) for one in died] == [
        ("a/1", "worker-0", "worker-1"),
        ("a/1", "worker-1", "worker-2"),
    ]


def test_what_a_dead_seat_found_out_is_known_to_the_next(tmp_path):
    """An image that was given up is not tried again, though it would do no harm now."""
    told = orders(Batches(), DiesOnce(on=("a/1",), mark=str(tmp_path / "mark")))
    told.news.tell([Condemned(7, "a/1", "before")])
    with closing(Seat(told)) as seat:
        assert outcome(seat(partition())) == ([one for one in ALL if one != "a/1"], ["a/1"])
    assert not (tmp_path / "mark").exists()


def test_a_partition_that_costs_seat_after_seat_ends_the_run():
    """Ray would try it for ever."""
    told = orders(Batches())
    for _ in range(10):
        told.news.begin(7)
    with closing(Seat(told)) as seat, pytest.raises(StageError, match="task 'a' cost 10 Ray actors"):
        read_result(seat(partition()))


def test_a_failure_is_told_by_every_call():
    """The stage's error, as it was raised; partitions that come later are not kept waiting."""
    with closing(Seat(orders(Batches(size=8), Raises(on=("*",))))) as seat:
        for _ in range(2):
            with pytest.raises(StageError, match=r"stage 'raises' failed .*cannot take a/0"):
                read_result(seat(partition()))


def test_a_host_that_does_not_see_the_input_works_on_nothing(tmp_path):
    """Else every file would be quarantined as missing."""
    seen = tmp_path / "run.json"
    seen.touch()
    with closing(Seat(orders(Batches(), witnesses=(str(seen), str(tmp_path))))) as seat:
        assert outcome(seat(partition()))[0] == ALL
    with closing(Seat(orders(Batches(), witnesses=(str(tmp_path / "input"),)))) as seat:  # noqa: SIM117 (two stories)
        with pytest.raises(StageError, match=r"input: the host '.+' of the cluster does not see this place"):
            read_result(seat(partition()))


def test_a_host_that_computes_otherwise_works_on_nothing():
    """The difference is named; where facts are equal, and where weights are missing yet, it works."""
    stage, options = ImageSharpnessFilterStage(), DecodeOptions()
    facts = stage_facts(stage, options)
    with closing(Seat(orders(Batches(), computed=cloudpickle.dumps([(stage, options, facts)])))) as seat:
        assert outcome(seat(partition()))[0] == ALL
    other = {**facts, "libraries": {"numpy": "1.0"}}
    with closing(Seat(orders(Batches(), computed=cloudpickle.dumps([(stage, options, other)])))) as seat:  # noqa: SIM117 (one line would be too long)
        with pytest.raises(StageError, match=r"the host '.+' .*would compute 'sharpness' otherwise .*numpy"):
            read_result(seat(partition()))


def test_a_budget_that_is_too_small_for_the_share_of_a_host():
    """It is said with the figures."""
    with closing(Seat(orders(Batches(), memory=8_000_000_000, share=0.1))) as seat:  # noqa: SIM117 (one line would be too long)
        with pytest.raises(MemoryBudgetError, match="are too little for this run"):
            read_result(seat(partition()))


def test_modules_of_the_driver_are_found_last():
    """Where the host has none of that name."""
    before = list(sys.path)
    try:
        with closing(Seat(orders(Batches(), sys_path=(before[-1], "/nowhere/of/the/driver")))) as seat:
            assert outcome(seat(partition()))[0] == ALL
        assert sys.path == [*before, "/nowhere/of/the/driver"]
    finally:
        sys.path[:] = before


def test_progress_and_callbacks():
    """Records add up, images that are given up are told once, and partitions as they are done."""
    read, done, given_up, happened = [0, 0, 0], [], [], []
    executor = SeatsExecutor(
        {"num_workers": 2},
        progress=lambda index, count: read.__setitem__(index, read[index] + count),
        on_done=lambda index, tasks: done.append((index, len(tasks))),
        on_condemned=lambda *told: given_up.append(told),
        on_event=happened.append,
    )
    executor.execute([Sources(), Batches(), Dies(on=("b/4",))])
    assert read == [6, 6, 6]
    assert sorted(done) == [(0, 2), (1, 2), (2, 2)]
    assert given_up == [(1, "b/4", "its worker was killed by SIGKILL, twice")]
    assert {one.workers for one in happened if isinstance(one, Pulse)} == {2}
    assert [one.image for one in happened if isinstance(one, WorkerDied)] == ["b/4", "b/4"]


def test_a_callback_that_raises_ends_the_run():
    """As a note that cannot be written."""

    def full(*_):
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        SeatsExecutor({"num_workers": 1}, progress=full).execute([Sources(), Batches(), Plain()])


def test_a_run_that_is_given_up_leaves_no_process():
    """Whoever stops listening ends the seats."""
    before = children()
    executor = SeatsExecutor({"num_workers": 1})
    tasks = [FileGroupTask(data=[name], task_id=name) for name in "ab"]
    partitions = executor.execute_each([Batches(), OddFilter()], tasks)
    next(partitions)
    partitions.close()
    assert set(children()) <= set(before)  # what another test left behind may end meanwhile


def test_images_that_a_host_gives_keep_their_pixels():
    """What the last stage gives comes back as it is, pixels too."""
    import numpy as np

    batch = ImageBatch(data=[ImageObject(image_id="x", image_data=np.arange(12, dtype=np.uint8).reshape(2, 2, 3))])
    (result,) = SeatsExecutor({"num_workers": 1}).execute([Plain()], [batch])
    assert result.data[0].image_data.tolist() == batch.data[0].image_data.tolist()


def test_pipelines_of_composites_and_records():
    """A pipeline's records are those of the seats, in source order."""
    pipeline = Pipeline("p", stages=[Sources(), Batches(), OddFilter()])
    pipeline.run(SeatsExecutor({"num_workers": 2}))
    assert [record.image_id for record in pipeline.records] == [f"{one}/{n}" for one in "abc" for n in (1, 3, 5)]

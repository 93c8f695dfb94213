"""One behaviour on every executor: they decide where and when, never what."""

from __future__ import annotations

import numpy as np
from tests.contract.conftest import EXECUTORS, make
from tests.contract.stages import (
    Batches,
    Copies,
    Drops,
    ForeignFilter,
    Groups,
    Large,
    OddFilter,
    Plain,
    Sources,
    Splits,
)

from nemo_curator.stages.function_decorators import processing_stage
from nemo_curator.tasks import ImageBatch

IDS = [f"{partition}/{number}" for partition in "abc" for number in range(6)]


@processing_stage(name="decorated")
def decorated(task: ImageBatch) -> ImageBatch:
    """Note that it was here."""
    task._metadata = {**task._metadata, "decorated": True}
    return task


def ids(tasks):
    """Ids of all images, in order."""
    return [image.image_id for task in tasks for image in task.data]


def facts(pipeline):
    """What the records say, in order."""
    return [(record.image_id, record.verdict, record.stage) for record in pipeline.records]


def test_results_come_in_source_order(isolation, run):
    """Whatever partition is done first."""
    tasks, pipeline = run(isolation, Sources(), Batches(), Plain())
    assert ids(tasks) == IDS
    assert pipeline.records == []


def test_task_ids_are_deterministic(isolation, run):
    """Every result has an id of its own, which follows from where it came from alone."""
    tasks, _ = run(isolation, Sources(), Batches(), Plain(), Splits())
    expected = [
        f"empty.{partition}.{batch}.{image}" for partition in range(3) for batch in range(2) for image in range(3)
    ]
    assert [task.task_id for task in tasks] == expected


def test_every_executor_gives_the_same(run):
    """Ids, scores, records: equal on all executors and numbers of workers."""
    answers = []
    for kind, workers in EXECUTORS.values():
        tasks, pipeline = run(make(kind, workers), Sources(), Batches(), OddFilter(), decorated)
        told = [(task.task_id, [(image.image_id, image.scores) for image in task.data]) for task in tasks]
        answers.append((told, facts(pipeline), [task._metadata for task in tasks]))
    assert all(answer == answers[0] for answer in answers)
    assert answers[0][2][0] == {"decorated": True}


def test_work_happens_where_the_executor_says(run):
    """Without workers in this process; with workers in others, each with a process of its own."""
    import os

    def processes(workers):
        tasks, _ = run(make(EXECUTORS["one-worker"][0], workers), Sources(partitions=6), Batches(), Plain())
        return {image.metadata["pid"] for task in tasks for image in task.data}

    assert processes(0) == {os.getpid()}
    assert len(processes(1) | {os.getpid()}) == 2


def test_timings_are_recorded(executor, run):
    """Every task says what each stage cost it, in order, and how many items went in."""
    tasks, _ = run(executor, Sources(), Batches(), OddFilter())
    for task in tasks:
        names = [(perf.stage_name, perf.num_items_processed) for perf in task._stage_perf]
        assert names == [("sources", 0), ("batches", 1), ("odd", 3)]
        assert all(perf.process_time >= 0 for perf in task._stage_perf)
        assert task._stage_perf[-1].custom_metrics["rejected"] == len(task.records)


def test_records_survive_a_foreign_stage(isolation, run):
    """A stage that returns new batches without records loses none; what it dropped is rejected in its name."""
    tasks, pipeline = run(isolation, Sources(partitions=2), Batches(), OddFilter(), ForeignFilter())
    assert ids(tasks) == ["a/0", "a/2", "b/0", "b/2"]
    rejected = {(image_id, "reject", "odd") for image_id in IDS[:12] if int(image_id[-1]) % 2}
    vanished = {("a/4", "reject", "foreign"), ("b/4", "reject", "foreign")}
    assert set(facts(pipeline)) == rejected | vanished
    assert len(facts(pipeline)) == 8
    assert [record.rule for record in pipeline.records if record.stage == "foreign"] == ["foreign", "foreign"]


def test_copied_records_are_counted_once(isolation, run):
    """A stage that returns deep copies of everything changes nothing."""
    tasks, pipeline = run(isolation, Sources(partitions=1), Batches(), OddFilter(), Copies())
    assert ids(tasks) == ["a/0", "a/2", "a/4"]
    assert facts(pipeline) == [(f"a/{number}", "reject", "odd") for number in (1, 3, 5)]


def test_none_drops_a_batch_with_a_record_each(isolation, run):
    """A stage may return None; the images are rejected in its name, in source order among the others."""
    tasks, pipeline = run(isolation, Sources(), Batches(), Drops())
    assert ids(tasks) == IDS[:6] + IDS[12:]
    assert facts(pipeline) == [(image_id, "reject", "drops") for image_id in IDS[6:12]]


def test_records_come_in_source_order(isolation, run):
    """Also where some batches are gone and others carry theirs."""
    _, pipeline = run(isolation, Sources(), Batches(), OddFilter(), Drops())
    partitions = [record.image_id[0] for record in pipeline.records]
    assert partitions == ["a"] * 3 + ["b"] * 6 + ["c"] * 3


def test_batch_size_groups_tasks(isolation, run):
    """A stage gets up to `batch_size` tasks of a partition at once, the last group smaller."""
    tasks, _ = run(isolation, Sources(partitions=2), Batches(batches=5), Groups())
    assert [task._metadata["together"] for task in tasks] == [2, 2, 2, 2, 1] * 2
    tasks, _ = run(isolation, Sources(partitions=1), Batches(batches=5), Groups().with_(batch_size=10))
    assert [task._metadata["together"] for task in tasks] == [5] * 5


def test_messages_larger_than_a_socket_buffer(run):
    """Results of many megabytes come back whole, and such tasks go out."""
    executor = make(EXECUTORS["two-workers"][0], 2)
    tasks, _ = run(executor, Sources(partitions=2), Batches(batches=1, size=2), Large())
    assert [int(np.mean(image.image_data)) for task in tasks for image in task.data] == [0, 1, 0, 1]
    again = executor.execute([Plain()], tasks)
    assert [image.image_data.nbytes for task in again for image in task.data] == [1024 * 1365 * 3] * 4


def test_progress_counts_every_record_once():
    """The records that a run was told of add up, and `on_done` hears of every partition."""
    from nemo_curator.backends.local import LocalExecutor

    for workers in (0, 2):
        read, done = [0, 0, 0], []
        executor = LocalExecutor(
            {"num_workers": workers},
            progress=lambda index, count, read=read: read.__setitem__(index, read[index] + count),
            on_done=lambda index, tasks, done=done: done.append((index, len(tasks))),
        )
        executor.execute([Sources(), Batches(), OddFilter()])
        assert read == [6, 6, 6]
        assert sorted(done) == [(0, 2), (1, 2), (2, 2)]


def test_an_executor_can_be_used_again(isolation, run):
    """A second run starts from nothing."""
    for _ in range(2):
        tasks, pipeline = run(isolation, Sources(partitions=1), Batches(), OddFilter())
        assert (len(ids(tasks)), len(pipeline.records)) == (3, 3)

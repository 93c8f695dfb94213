"""What the events of a run add up to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nemo_curator.pipeline.progress import Several, Watcher
from nemo_curator.pipeline.progress import events as ev
from nemo_curator.pipeline.progress.standing import Standing

FUNNEL = {"inputs": 20, "kept": 10, "rejected": {"small": 4}, "duplicates": 3, "quarantined": {"decode_failed": 3}}


def standing_after(*events):
    """How far a run is after events, a second apart from second 0 on."""
    standing = Standing()
    for second, event in enumerate(events):
        standing.take(event, float(second))
    return standing


def test_a_run_adds_up():
    """Images, verdicts, rules, errors, partitions, bytes and seconds are sums over the partitions scored now."""
    standing = standing_after(
        ev.Planned(5, 1_000, 2),
        ev.Read(10),
        ev.StagesTook({"nsfw": 1.0}),
        ev.Scored(300, {"keep": 6, "reject": 4}, {"small": 4}),
        ev.Read(10),
        ev.StagesTook({"nsfw": 2.0, "header": 1.0}),
        ev.Scored(100, {"keep": 7, "quarantine": 3}, {}, {"decode_failed": 3}),
        ev.WorkerDied("a", "ended", "x", "b"),
        ev.ImageGivenUp("x", "why"),
        ev.ModelsDied("ended"),
        ev.Pulse(2, 50),
        ev.Pulse(2, 40),
    )
    assert (standing.images, standing.scored_records, standing.size) == (20, 20, 400)
    assert (standing.partitions, standing.partitions_done) == (2, 4)
    assert standing.verdicts == {"keep": 13, "reject": 4, "quarantine": 3}
    assert (dict(standing.rules), dict(standing.errors)) == ({"small": 4}, {"decode_failed": 3})
    assert standing.shares == [("nsfw", 0.75), ("header", 0.25)]
    assert (standing.deaths, standing.given_up, standing.model_deaths) == (1, 1, 1)
    assert (standing.workers, standing.memory, standing.peak) == (2, 40, 50)


def test_a_decision_is_about_the_whole_run():
    """What was said of partitions on the way gives way to the funnel, and the workers are gone."""
    standing = standing_after(
        ev.Planned(1, 10, 0), ev.Scored(10, {"keep": 20}), ev.Pulse(2, 9), ev.Deciding(), ev.Decided(FUNNEL)
    )
    assert standing.verdicts == {"keep": 10, "reject": 4, "duplicate": 3, "quarantine": 3}
    assert (standing.workers, standing.memory, standing.phase) == (0, 0, "deciding")
    assert standing.funnel == FUNNEL


def test_phases_take_what_lies_between_their_beginnings():
    """The seconds of all phases that are over are those between the first and the last change."""
    standing = standing_after(
        ev.Begun("run", "1", {}), ev.Planned(1, 10, 0), ev.Read(1), ev.Deciding(), ev.Exporting(3), ev.Finished()
    )
    assert standing.phases == {"starting": 1.0, "scoring": 2.0, "deciding": 1.0, "exporting": 1.0}


def test_the_rate_ends_with_the_scoring():
    """Images a second are those of the scoring, however long deciding takes."""
    standing = standing_after(ev.Planned(1, 10, 0), ev.Read(8), ev.Scored(10, {"keep": 8}), ev.Read(0), ev.Deciding())
    assert standing.rate(1_000.0) == 2.0


@pytest.mark.parametrize(
    ("events", "left"),
    [
        ([ev.Planned(2, 100, 0), ev.Read(4)], None),  # nobody knows yet how much that was
        ([ev.Planned(2, 100, 0), ev.Read(4), ev.Scored(25, {"keep": 4})], 27.0),  # 9 seconds for a quarter
        ([ev.Planned(2, 100, 0), ev.Read(8), ev.Scored(25, {"keep": 4})], 9.0),  # as much again is under way
        ([ev.Planned(1, 100, 0, files=16), ev.Read(4)], 27.0),  # of loose files the number is known before
        ([ev.Searching("copies", 100), ev.Searched(50)], 10.0),
        ([ev.Exporting(10), ev.Written(0)], None),
        ([ev.Exporting(10), ev.Written(10)], 0.0),
        ([ev.Deciding()], None),
    ],
)
def test_the_time_left_is_what_it_took_so_far_for_the_rest(events, left):
    """In second 10: scoring by bytes since the first image, a search and an export by their steps."""
    assert standing_after(*events).left(10.0) == left


def test_loose_files_count_before_their_partition_is_finished():
    """Their number is known, so the share grows with each that is read; it is all only when the partition is there."""
    planned = ev.Planned(2, 1_000, 0, files=200)
    assert standing_after(planned).passed == 0.0
    assert standing_after(planned, ev.Read(50)).passed == 0.25
    assert standing_after(planned, ev.Read(100), ev.Scored(600, {"keep": 100})).passed == 0.6
    assert standing_after(planned, ev.Read(150), ev.Scored(600, {"keep": 100})).passed == 0.8
    assert standing_after(planned, ev.Read(250)).passed == 0.99  # read again after a worker died


PARTITIONS = st.lists(st.tuples(st.integers(1, 10**6), st.integers(0, 50)), min_size=1, max_size=20)


@given(PARTITIONS, st.booleans(), st.data())
def test_the_share_done_stays_a_share(partitions, loose, data):
    """Whatever the order of reads and ends, it is between 0 and 1, and 1 when everything is done and not before."""
    files = sum(records for _, records in partitions) if loose else 0
    standing = standing_after(ev.Planned(len(partitions), sum(size for size, _ in partitions), 0, files=files))
    for size, records in partitions:
        assert 0.0 <= standing.passed < 1.0
        standing.take(ev.Read(records), 1.0)
        standing.take(ev.Read(data.draw(st.integers(0, 100))), 1.0)
        standing.take(ev.Scored(size, {"keep": records}), 2.0)
    assert standing.passed == 1.0


def test_several_watchers_are_all_told():
    """An event and the end reach every watcher, in order."""
    heard = []

    class Hears(Watcher):
        def __init__(self, name):
            self.name = name

        def told(self, event):
            heard.append((self.name, event))

        def close(self):
            heard.append((self.name, "end"))

    both = Several([Hears("a"), Hears("b")])
    both.told(ev.Read(1))
    both.close()
    assert heard == [("a", ev.Read(1)), ("b", ev.Read(1)), ("a", "end"), ("b", "end")]

"""From a sample to totals and ranges."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nemo_curator.planning.drawing import draw
from nemo_curator.planning.estimating import (
    Group,
    Range,
    Stratum,
    closing_seconds,
    parallelism,
    share,
    share_total,
    total,
    wilson,
)
from nemo_curator.shards.entry import Entry


def group(records=10, size=100, seconds=1.0, kept=5, closing=0.0):
    """Records of which a half is kept."""
    return Group(records, size, seconds, closing, size, kept, size // 2)


def test_all_that_was_looked_at_is_no_estimate():
    """Where the sample is the input, totals and shares are exact."""
    strata = [Stratum((group(), group(seconds=3.0)), 20, 200), Stratum((group(size=50),), None, 50)]
    assert total(strata, lambda one: one.seconds) == Range(5.0, 5.0, 5.0)
    assert total(strata, lambda one: one.records) == Range(30.0, 30.0, 30.0)
    assert share(strata, lambda one: one.kept, hits=15, tries=30) == Range(0.5, 0.5, 0.5)


def test_loose_files_go_by_number_and_shards_by_bytes():
    """A tenth of the files and a tenth of the bytes make ten times the records, seconds and bytes."""
    strata = [Stratum((group(), group()), 200, 0), Stratum((group(size=50), group(size=50)), None, 1_000)]
    assert total(strata, lambda one: one.records).value == pytest.approx(200 + 200)
    assert total(strata, lambda one: one.seconds).value == pytest.approx(20 + 20)
    assert total(strata, lambda one: one.seconds).low == pytest.approx(40)  # all groups are alike


def test_one_group_says_nothing_of_others():
    """From a single group the range goes from nothing to twice the value."""
    found = total([Stratum((group(),), 100, 0)], lambda one: one.seconds)
    assert (found.low, found.value, found.high) == (0.0, 10.0, 20.0)


def test_what_a_sample_has_none_of_is_not_impossible():
    """All of a sample was kept: of the whole, a little may be rejected all the same."""
    strata = [Stratum(tuple(group(kept=10) for _ in range(10)), 10_000, 0)]
    found = share(strata, lambda one: one.kept, hits=100, tries=100)
    assert found.value == found.high == 1.0
    assert found.low == wilson(100, 100)[0] == pytest.approx(0.963, abs=0.001)
    whole = Range(10_000, 10_000, 10_000)
    kept = share_total(strata, lambda one: one.kept, whole, hits=100, tries=100)
    assert kept.value == kept.high == 10_000
    assert kept.low == pytest.approx(9_630, abs=10)


def test_the_range_covers_the_truth_nearly_always():
    """Of 400 samples of 20 groups from an uneven input, at least nine in ten have the true total in their range."""
    chance = random.Random(1)  # noqa: S311 (no secret hangs on it)
    groups = [group(records=chance.randint(1, 20), seconds=chance.expovariate(1.0)) for _ in range(500)]
    records, truth = sum(one.records for one in groups), sum(one.seconds for one in groups)
    hits = 0
    for _ in range(400):
        strata = [Stratum(tuple(chance.sample(groups, 20)), records, 0)]
        found = total(strata, lambda one: one.seconds)
        hits += found.low <= truth <= found.high
    assert hits >= 360


def test_what_the_first_partition_loads_is_not_counted_again_and_again():
    """Of two workers' first partitions and two later ones, the later ones stand for the others."""
    strata = [Stratum((group(closing=2.0), group(closing=0.5), group(closing=2.0), group(closing=0.5)), 100, 0)]
    assert closing_seconds(strata, 1_000) == 500.0


@pytest.mark.parametrize(
    ("sizes", "workers", "busy"), [([1] * 8, 2, 2.0), ([1] * 9, 8, 4.5), ([5], 4, 1.0), ([], 3, 3.0), ([0, 0], 2, 2.0)]
)
def test_workers_wait_for_the_last_partition(sizes, workers, busy):
    """Nine equal partitions take eight workers as long as eighteen would take two each."""
    assert parallelism(sizes, workers) == busy


ENTRIES = st.lists(
    st.tuples(st.sampled_from(["image", "tar", "stray"]), st.integers(0, 10**7)), min_size=1, max_size=60
)


@given(ENTRIES, st.integers(1, 500), st.integers(1, 16))
def test_a_sample_is_of_the_input_and_the_same_every_time(found, wanted, workers):
    """It has files of the input, none twice, of each kind that there is, and about as many records as were wanted."""
    entries = [
        Entry(f"{number}.{kind}", "", "", f"{number}.{kind}", kind, size) for number, (kind, size) in enumerate(found)
    ]
    drawn = draw(entries, wanted, workers)
    assert drawn == draw(entries, wanted, workers)
    chosen = [entry for one in (*drawn.loose, *drawn.shards) for entry in one.entries]
    assert len(set(chosen)) == len(chosen)
    assert set(chosen) <= set(entries)
    assert {one.is_shard for one in entries} == {one.is_shard for one in chosen}
    assert all(entry.is_shard for one in drawn.shards for entry in one.entries)
    loose = sum(len(one.entries) for one in drawn.loose)
    assert loose <= wanted + 8
    assert loose + drawn.each * len(drawn.shards) >= min(wanted, len(entries) if not drawn.shards else wanted)

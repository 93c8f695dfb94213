"""How a budget of memory is shared out: never more than it, more with more, and one sentence where it cannot be."""

from __future__ import annotations

import re

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from nemo_curator.errors import MemoryBudgetError
from nemo_curator.kernels.sizes import parse_size
from nemo_curator.planning.memory import (
    LEAST_BATCH,
    LEAST_DATABASE,
    MOST_BATCH,
    MOST_DATABASE,
    MemoryNeeds,
    database_bytes,
    least_budget,
    plan_memory,
)

SIZES = st.integers(0, 4_000_000_000)
NEEDS = st.builds(
    MemoryNeeds,
    command=SIZES,
    worker=st.integers(1, 4_000_000_000),
    inference=SIZES,
    image=st.integers(1, 20_000_000_000),
)
WORKERS = st.integers(1, 300)
BEYOND = st.integers(0, 200_000_000_000)  # bytes above the least budget

USUAL = MemoryNeeds(command=200_000_000, worker=374_000_000, inference=0, image=1_256_000_000)


@given(NEEDS, BEYOND, WORKERS)
@example(USUAL, 0, 2)
@example(USUAL, 10**9, 2)
def test_all_together_never_take_more_than_the_budget(needs, beyond, workers):
    """By the plan's own arithmetic, whatever is needed and given."""
    budget = least_budget(needs) + beyond
    plan = plan_memory(budget, needs, workers)
    assert plan.most <= plan.budget == budget
    assert 1 <= plan.workers <= workers
    assert LEAST_BATCH <= plan.batch <= MOST_BATCH
    assert min(plan.own, plan.shared) >= 0


@given(NEEDS, BEYOND, WORKERS)
def test_the_largest_image_always_has_room(needs, beyond, workers):
    """What a worker may take by itself and what it can have a turn at are enough for any image that is admitted."""
    plan = plan_memory(least_budget(needs) + beyond, needs, workers)
    assert plan.own + plan.shared >= needs.image
    assert plan.is_shared == (plan.shared > 0)


@given(NEEDS, BEYOND, BEYOND, WORKERS)
def test_more_memory_never_gives_less(needs, beyond, more, workers):
    """More workers, or as many with as much of everything."""
    budget = least_budget(needs) + beyond
    small, large = plan_memory(budget, needs, workers), plan_memory(budget + more, needs, workers)
    assert large.workers >= small.workers
    if large.workers == small.workers:
        assert (large.batch, large.own) >= (small.batch, small.own)
        assert large.own >= small.own
        all_at_once = large.shared == large.workers * (needs.image - large.own)  # then more would be of no use
        assert large.own + large.shared >= small.own + small.shared or all_at_once


@given(NEEDS, BEYOND, WORKERS, WORKERS)
def test_more_workers_are_never_fewer(needs, beyond, some, others):
    """Who asks for more gets as many at least."""
    budget = least_budget(needs) + beyond
    assume(some <= others)
    assert plan_memory(budget, needs, some).workers <= plan_memory(budget, needs, others).workers


@given(NEEDS, WORKERS)
def test_with_enough_nobody_waits_and_nothing_is_smaller_than_by_default(needs, workers):
    """A budget above all that could be taken changes nothing."""
    most = needs.command + needs.inference + workers * (needs.worker + MOST_BATCH + needs.image)
    plan = plan_memory(max(most, least_budget(needs)), needs, workers)
    assert (plan.workers, plan.batch, plan.shared, plan.is_shared) == (workers, MOST_BATCH, 0, False)


@given(NEEDS, st.integers(1, 10**12), WORKERS)
def test_a_budget_that_is_too_small_is_refused_in_one_sentence(needs, short, workers):
    """With the least that is enough, which then is enough, in the form in which the option takes it."""
    least = least_budget(needs)
    with pytest.raises(MemoryBudgetError, match="too little for this run") as caught:
        plan_memory(least - short, needs, workers)
    told = re.search(r"--memory ([0-9.]+GB)", str(caught.value))
    assert told
    assert least <= parse_size(told[1]) < least + 20_000_000
    assert plan_memory(parse_size(told[1]), needs, workers).workers >= 1


def test_the_sentence_says_what_takes_it():
    """Each part that counts, and what else can be done."""
    with pytest.raises(MemoryBudgetError) as caught:
        plan_memory(1_500_000_000, USUAL, 2)
    assert str(caught.value) == (
        "1,500 MB of memory are too little for this run, which needs 1,864 MB (200 MB for the command, 374 MB for one "
        "worker, 34 MB for its images, 1,256 MB for the largest image that `limits` admits); give it more (--memory "
        "1.87GB), or admit smaller images: `limits.memory` and `limits.bytes`"
    )


@given(st.integers(0, 10**12), st.integers(0, 10**12))
def test_the_database_of_a_decision_grows_with_the_budget(one, other):
    """Between a least and what it has by default."""
    small, large = sorted((one, other))
    assert LEAST_DATABASE <= database_bytes(small) <= database_bytes(large) <= MOST_DATABASE


def test_by_default_the_database_has_all():
    """From 1.1 GB on."""
    assert database_bytes(1_100_000_000) == MOST_DATABASE

"""Turns at shared memory: never more than there is, first come first served, and nobody waits for ever."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nemo_curator.backends.local.allowance import Allowance

WORKERS = [f"worker-{number}" for number in range(4)]


@given(st.integers(1, 100), st.lists(st.tuples(st.sampled_from(WORKERS), st.integers(1, 150))))
def test_everybody_is_served_in_order_and_never_more_than_there_is(size, steps):
    """Whoever holds something gives it back before it asks again, as workers do; in the end all were served."""
    allowance = Allowance(size)
    held, waiting, served = set(), [], []

    def serve(found):
        for worker in found:
            assert worker == waiting.pop(0)
            held.add(worker)
            served.append(worker)

    for worker, amount in steps:
        if worker in held:
            held.discard(worker)
            serve(allowance.give_back(worker))
        elif worker not in waiting:
            waiting.append(worker)
            serve(allowance.ask(worker, amount))
        assert 0 <= allowance.free <= size
    while held:
        worker = held.pop()
        serve(allowance.give_back(worker))
    assert waiting == []
    assert allowance.free == size


def test_nobody_overtakes():
    """A small request waits behind a large one, which else might wait for ever."""
    allowance = Allowance(10)
    assert allowance.ask("a", 6) == ["a"]
    assert allowance.ask("b", 9) == []
    assert allowance.ask("c", 1) == []
    assert allowance.give_back("a") == ["b", "c"]


def test_the_dead_hold_and_want_nothing():
    """A worker that died while it waited, or held something, is in nobody's way."""
    allowance = Allowance(10)
    allowance.ask("a", 10)
    allowance.ask("b", 10)
    allowance.ask("c", 10)
    assert allowance.give_back("b") == []
    assert allowance.give_back("a") == ["c"]
    assert allowance.give_back("stranger") == []


def test_more_than_there_is_means_all():
    """So that it comes to its turn."""
    allowance = Allowance(10)
    assert allowance.ask("a", 11) == ["a"]
    assert allowance.free == 0

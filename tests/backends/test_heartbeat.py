"""Signs of life and the memory of processes."""

from __future__ import annotations

import psutil
from hypothesis import given
from hypothesis import strategies as st

from nemo_curator.backends.local.heartbeat import Heartbeat, memory_of, together


def test_shared_pages_count_once():
    """Three processes of 100 that share 60 have 40 each and 60 together."""
    assert together([(100, 60), (100, 60), (100, 60)]) == 180
    assert together([]) == 0


@given(st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 1000))))
def test_together_is_between_the_largest_and_the_sum(found):
    """Whatever is shared, processes have at least what the largest has of its own, and at most all of it."""
    assert max((own - shared for own, shared in found), default=0) <= together(found)
    assert together(found) <= sum(max(one) for one in found)


def test_a_process_that_is_gone_has_nothing():
    """Its memory cannot be asked for any more, and that is no error."""
    with psutil.Popen(["true"]) as gone:
        gone.wait()
    assert memory_of(gone) == (0, 0)
    assert memory_of(psutil.Process())[0] > 1_000_000


def test_it_does_not_beat_all_the_time():
    """Of many chances in a row one is taken, with the workers and the memory of all processes."""
    heard = []
    heart = Heartbeat(heard.append)
    for _ in range(100):
        heart.beat(3, lambda: [(7_000_000, 0)])
    assert 1 <= len(heard) < 100
    assert heard[0].workers == 3
    assert heard[0].memory > 7_000_000 + 1_000_000

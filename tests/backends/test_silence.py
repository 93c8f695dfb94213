"""When a process that is waited for is held to be stuck."""

from __future__ import annotations

from nemo_curator.backends.local.silence import Silence


def looks(silence, times, *, waiting=True):
    """What is said at each of some times."""
    return [silence.is_too_long(now, waiting=waiting) for now in times]


def test_only_waiting_counts():
    """Time in which nobody waits is no silence, and ends one."""
    silence = Silence(2.5)
    assert looks(silence, [0, 1, 2]) == [False] * 3
    assert looks(silence, [3], waiting=False) == [False]
    assert looks(silence, [4, 5]) == [False] * 2
    assert looks(silence, [6, 7]) == [True] * 2


def test_what_is_heard_ends_it():
    """Every turn that is computed starts the time anew."""
    silence = Silence(2.5)
    for begin in range(0, 30, 2):
        assert looks(silence, range(begin, begin + 2)) == [False] * 2
        silence.heard()
    assert looks(silence, [30, 31, 32, 33]) == [False, False, True, True]


def test_time_in_which_nobody_looked_hardly_counts():
    """A run that was stopped for an hour, with all its processes, goes on."""
    silence = Silence(2.5)
    assert looks(silence, [0, 3600, 7200]) == [False] * 3
    assert looks(silence, [7201]) == [True]

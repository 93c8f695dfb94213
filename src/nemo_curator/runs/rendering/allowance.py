"""How long a child may take for one request, by its own timers, whose signals end it.

Its processor time decides, which does not depend on what else the machine does. A child that waits for what never comes
takes none, so there is a bound on real time behind it. Both hold where the parent is dead, too.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

PATIENCE = 10
"""Real seconds that a child may take for each second of processor time that it may."""

_LEAST = 0.001  # seconds; a timer of less is none


def obey() -> None:
    """Let the signals of the timers end this process, whatever it inherited; for a child to call once."""
    for one in (signal.SIGPROF, signal.SIGALRM):
        signal.signal(one, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGPROF, signal.SIGALRM})


@contextmanager
def allowed(seconds: float) -> Iterator[None]:
    """Within the block, this process ends when its time is over.

    Args:
        seconds: Processor time of all its threads.
    """
    seconds = max(seconds, _LEAST)
    signal.setitimer(signal.ITIMER_REAL, PATIENCE * seconds)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)

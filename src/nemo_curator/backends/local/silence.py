"""How long workers have waited for models while nothing was computed: a thread stuck in native code says nothing.

Owned by the supervisor's thread alone.
"""

from __future__ import annotations

MODEL_SECONDS = 1800.0
"""Seconds after which an inference process that gave nothing is held to be stuck.

Ten pictures, the usual turn, take CLIP ViT-L/14 some 8 seconds on two cores in full precision (docs/benchmarks.md); to
be loaded takes a model seconds, or minutes over a network.
"""

_MOST_A_LOOK = 1.0  # seconds that count between two looks: while this process was stopped, the others were too


class Silence:
    """Adds up the time in which somebody waits and nothing is heard.

    Args:
        limit: Seconds of it that are too many.
    """

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._silent = 0.0
        self._looked: float | None = None

    def heard(self) -> None:
        """Something was computed, or the next process is there."""
        self._silent = 0.0

    def is_too_long(self, now: float, *, waiting: bool) -> bool:
        """Whether it lasts longer than it may.

        Args:
            now: Seconds of a clock that only goes forward.
            waiting: Whether anybody waits for an answer at this moment.
        """
        since = 0.0 if self._looked is None else min(now - self._looked, _MOST_A_LOOK)
        self._looked = now
        self._silent = self._silent + since if waiting else 0.0
        return self._silent > self._limit

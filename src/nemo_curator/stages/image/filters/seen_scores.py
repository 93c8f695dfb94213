"""The scores that one worker's filter has seen, and what to say of a threshold that does not fit them.

One object belongs to one stage in one worker. Memory is bounded: once so many scores are held, every second one is let
go, and from then on every second one that comes is passed over; which ones depends on their order alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

_MOST = 10_000
_ENOUGH = 100  # scores below which nothing is said
_FAR = 0.25  # of the seen range: how far outside a threshold must lie
_SHARES = (0.05, 0.25, 0.5, 0.75, 0.95)


class SeenScores:
    """Scores of one column, as far as they are kept."""

    def __init__(self) -> None:
        self.count = 0
        self.low = math.inf
        self.high = -math.inf
        self._stride = 1
        self._kept: list[float] = []

    def add(self, scores: Iterable[float]) -> None:
        """Take in some more."""
        for score in scores:
            if self.count % self._stride == 0:
                self._kept.append(score)
            self.count += 1
            self.low, self.high = min(self.low, score), max(self.high, score)
            if len(self._kept) > _MOST:
                self._kept = self._kept[::2]
                self._stride *= 2

    @property
    def kept(self) -> int:
        """How many are held."""
        return len(self._kept)

    def misfit(self, threshold: float) -> str:
        """How a threshold lies to the scores, in words; "" where it lies among them, or too few were seen.

        Args:
            threshold: In the unit of the scores.
        """
        margin = _FAR * (self.high - self.low) if math.isfinite(self.high - self.low) else 0.0
        if self.count < _ENOUGH or self.low - margin <= threshold <= self.high + margin:
            return ""
        # values that some image has, as `quantile` in a rule gives them
        inner = (float(one) for one in np.quantile(self._kept, _SHARES, method="inverted_cdf"))
        named = ", ".join(
            f"{name}: {one:.4g}" for name, one in zip(("5 %", "25 %", "median", "75 %", "95 %"), inner, strict=True)
        )
        side = "below" if threshold < self.low else "above"
        return f"far {side} all {self.count:,} seen scores, which are {self.low:.4g} … {self.high:.4g} ({named})"

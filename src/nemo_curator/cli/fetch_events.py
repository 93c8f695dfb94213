"""The progress of a fetch as events, for whoever watches a command."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Self

from nemo_curator.fetching import Fetched, Progress
from nemo_curator.pipeline.progress import Watcher
from nemo_curator.pipeline.progress import events as ev

_SECONDS = 0.2  # between two events, for there may be thousands of answers a second


class FetchEvents:
    """Tells a watcher. A context manager, at whose end the last answers are told, however the fetch ended.

    Args:
        watcher: Who is told.
        now: Seconds of a clock that only goes forward.
    """

    def __init__(self, watcher: Watcher, now: Callable[[], float] = time.monotonic) -> None:
        self._watcher, self._now = watcher, now
        self._told: Progress | None = None
        self._latest = Progress()
        self._said = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._tell()

    def take(self, progress: Progress) -> None:
        """Something was answered.

        Args:
            progress: How far it is; changed by its owner afterwards.
        """
        self._latest = progress
        if self._told is None:
            self._told = replace(progress)
            self._watcher.told(ev.Fetching(progress.rows, progress.done))
        elif self._now() - self._said >= _SECONDS:
            self._tell()

    def end(self, found: Fetched) -> None:
        """All rows have an answer."""
        self._watcher.told(ev.Fetched(found.statuses))

    def _tell(self) -> None:
        before, now = self._told, self._latest
        if before is None:
            return
        self._said = self._now()
        rows, images, size = now.done - before.done, now.images - before.images, now.bytes - before.bytes
        if rows or images or size:
            self._told = replace(now)
            self._watcher.told(ev.Answered(rows, images, size))

"""Who is told of a run's progress."""

from __future__ import annotations

from collections.abc import Sequence

from nemo_curator.pipeline.progress.events import Event


class Watcher:
    """Told of a run's progress; this one looks away. What it raises ends the run.

    Attributes:
        shows_verdicts: Whether `Scored` shall say verdicts, which cost some hundredths of a second a partition.
    """

    shows_verdicts: bool = False

    def told(self, event: Event) -> None:
        """Something happened; called in the thread that drives the run."""

    def close(self) -> None:
        """The work ended, one way or another: there is nothing more to show."""


class Several(Watcher):
    """Hands on what it is told.

    Args:
        watchers: To whom, in order.
    """

    def __init__(self, watchers: Sequence[Watcher]) -> None:
        self._watchers = tuple(watchers)
        self.shows_verdicts = any(watcher.shows_verdicts for watcher in watchers)

    def told(self, event: Event) -> None:
        """All of them are told."""
        for watcher in self._watchers:
            watcher.told(event)

    def close(self) -> None:
        """All of them are closed."""
        for watcher in self._watchers:
            watcher.close()

"""Progress of a run for people: on a terminal what `live` draws, elsewhere a plain line now and then."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable

from nemo_curator.cli import progress_words as words_of
from nemo_curator.cli.amounts import counted, shown
from nemo_curator.cli.pair_words import kind_words
from nemo_curator.cli.progress_words import Words
from nemo_curator.pipeline.progress import Watcher
from nemo_curator.pipeline.progress import events as ev
from nemo_curator.pipeline.progress.standing import Standing

__all__ = ["PlainDisplay", "Words", "display", "is_live"]

_SECONDS = 10.0  # between two lines,
_SELDOM_AFTER, _SELDOM = 600.0, 60.0  # and of a long run


def display(*, quiet: bool, opening: Callable[[], None] = lambda: None, words: Words | None = None) -> Watcher:
    """The display that suits stderr: live on a terminal, plain lines elsewhere, nothing where machines listen.

    Args:
        quiet: Whether machines listen.
        opening: Called before anything is shown, when it is known that there is something to do.
        words: What the command calls its work, where it is not a data set's.
    """
    if quiet:
        return Watcher()
    if not is_live():
        return PlainDisplay(opening, words or Words())
    from nemo_curator.cli.live import LiveDisplay

    return LiveDisplay(opening, words or Words())


def is_live() -> bool:
    """Whether stderr is a terminal on which something may move."""
    return sys.stderr.isatty() and os.environ.get("TERM") not in {"dumb", "unknown"}


class PlainDisplay(Watcher):
    """A line every ten seconds, and every minute after ten of them: for logs.

    Args:
        opening: Called when it is known that there is something to do.
        words: What the command calls its work.
        now: Seconds of a clock that only goes forward.
    """

    shows_verdicts = True

    def __init__(self, opening: Callable[[], None], words: Words, now: Callable[[], float] = time.monotonic) -> None:
        self._opening = opening
        self._words = words
        self._now = now
        self._standing = Standing()
        self._began = self._said = now()
        self._last = ""

    def told(self, event: ev.Event) -> None:
        """Say what begins at once, and how far it is now and then."""
        now, before = self._now(), self._standing.phase
        self._standing.take(event, now)
        if before == "scoring" != self._standing.phase and self._standing.images:
            self._say(self._scoring(now))  # how it ended
        if lines := self._beginning(event):
            self._said = now
            for line in lines:
                self._say(line)
        seldom = now - self._began >= _SELDOM_AFTER
        if now - self._said >= (_SELDOM if seldom else _SECONDS) and (line := self._line(now)):
            self._said = now
            self._say(line)

    def close(self) -> None:
        """Say how a scoring ended that nothing follows."""
        if self._standing.phase == "scoring" and self._standing.images:
            self._say(self._scoring(self._now()))

    def _beginning(self, event: ev.Event) -> list[str]:
        match event:
            case ev.Planned():
                self._opening()
                there = f"{event.done:,} of {counted(event.partitions, 'partition')} are there already"
                return [f"{self._words.compute}: {there}"] if event.done and event.done < event.partitions else []
            case ev.Protecting(name):
                return [f"protect: reading {shown(name)}"]
            case ev.Searching(kind, images):
                return [f"pairs: looking for {kind_words(kind)} among {images:,} different images"]
            case ev.Exporting(samples):
                return [f"{self._words.write}: {samples:,} {self._words.written}"]
        return words_of.said(event)

    def _line(self, now: float) -> str:
        standing = self._standing
        if standing.phase == "scoring" and standing.images:
            return self._scoring(now, more=True)
        if standing.phase == "searching" and standing.search is not None:
            step, line = standing.search, f"pairs: {standing.search.done:,} of {standing.search.of:,} looked for"
        elif standing.phase == "exporting" and standing.export is not None:
            step, line = standing.export, f"{self._words.write}: {standing.export.done:,} of {standing.export.of:,}"
        else:
            return ""
        return line if not step.done else f"{line}{self._left(now)}"

    def _scoring(self, now: float, *, more: bool = False) -> str:
        standing = self._standing
        since = words_of.clock(standing.elapsed(now))  # a log says when, be it that nothing else changes
        line = f"{words_of.speed(standing, now, f' in {since}')}; {words_of.outcome(standing, self._words)}"
        if more and standing.passed:
            line += f"; {standing.passed:.0%} of the input done{self._left(now)}"
        pieces = [words_of.machine(standing), words_of.stages(standing)]
        line += "".join(f"; {piece}" for piece in pieces if more and piece)
        return f"{self._words.compute}: {line}"

    def _left(self, now: float) -> str:
        left = self._standing.left(now)
        return f", about {words_of.how_long(left)} left" if left else ""

    def _say(self, line: str) -> None:
        if line != self._last:
            self._last = line
            sys.stderr.write(f"{line}\n")
            sys.stderr.flush()

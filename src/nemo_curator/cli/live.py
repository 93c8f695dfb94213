"""Progress of a run on a terminal: a bar a step, and figures below, in as many columns as there are.

One thread owns the bars: the one that drives the run tells them what happened, and rich's own draws them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from rich.console import Console, Group, RenderableType
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TaskID, TextColumn
from rich.table import Column
from rich.text import Text

from nemo_curator.cli import progress_words as words_of
from nemo_curator.cli.amounts import shown
from nemo_curator.cli.pair_words import kind_words
from nemo_curator.cli.progress_words import Words
from nemo_curator.pipeline.progress import Watcher
from nemo_curator.pipeline.progress import events as ev
from nemo_curator.pipeline.progress.standing import Standing

_WIDE, _NARROW = 72, 44  # columns of a terminal that has room for all, and for a bar


class LiveDisplay(Watcher):
    """One bar for scoring (in bytes: nobody knows the number of images yet), one for each step after it.

    The terminal is touched only once there is something to show, so that an early error leaves it as it was.

    Args:
        opening: Called when it is known that there is something to do.
        words: What the command calls its work.

    Attributes:
        bars: What is drawn.
    """

    shows_verdicts = True

    def __init__(self, opening: Callable[[], None], words: Words) -> None:
        self._opening = opening
        self._words = words
        self._standing = Standing()
        self._left: tuple[float | None, float] = (None, 0.0)
        self.bars = Bars(self.figures, self.time_left, Console(stderr=True, highlight=False))
        self._task: TaskID | None = None

    def told(self, event: ev.Event) -> None:
        """Show it."""
        now = time.monotonic()
        self._standing.take(event, now)
        if isinstance(event, ev.Read | ev.Scored | ev.Searched | ev.Written):
            self._left = (self._standing.left(now), now)
            self._moved(event)
        else:
            self._begun(event)

    def _moved(self, event: ev.Event) -> None:
        if self._task is None:
            return
        match event:
            case ev.Searched(images) | ev.Written(images):
                self.bars.update(self._task, advance=images)
            case _:
                self.bars.update(self._task, completed=self._standing.passed)

    def _begun(self, event: ev.Event) -> None:
        match event:
            case ev.Planned():
                self._opening()
                there = f"{event.done:,} of {event.partitions:,} partitions are there already" if event.done else ""
                self._next(self._words.compute, 1, there)
            case ev.Deciding():
                self._next("decide", None)
            case ev.Protecting(name):
                self._next("protect", None, shown(name))
            case ev.Searching(kind, images):
                self._next("pairs", max(images, 1), f"{kind_words(kind)} among {images:,}")
            case ev.Exporting(samples):
                self._next(self._words.write, max(samples, 1), f"{samples:,} {self._words.written}")
        for line in words_of.said(event):
            self.bars.console.print(Text(line), soft_wrap=True)  # where it stays

    def close(self) -> None:
        """Leave the bars as they are, and the terminal as it was."""
        if self._standing.phase == "scoring" and self._standing.passed == 1 and self._task is not None:
            self.bars.update(self._task, completed=1)
        self.bars.stop()

    def _next(self, name: str, total: int | None, note: str = "") -> None:
        """A step begins, and the one before it is done."""
        self.bars.start()  # a decision or an export alone begins here
        if self._task is not None:
            self.bars.end(self._task)
        self._left = (None, 0.0)
        self._task = self.bars.add_task(name, total=total, note=note)

    def time_left(self) -> float | None:
        """Counted down from when it was last known."""
        left, at = self._left
        return None if left is None else max(0.0, left - (time.monotonic() - at))

    def figures(self) -> list[str]:
        """Lines below the bars."""
        standing = self._standing
        if not standing.images:
            return []
        now = time.monotonic()
        first = ", ".join(filter(None, [words_of.speed(standing, now), words_of.machine(standing)]))
        found = words_of.stages(standing)
        funnel = words_of.outcome(standing, self._words) if standing.funnel is None else ""
        return [line for line in (first, funnel, f"time: {found}" if found else "") if line]


class Bars(Progress):
    """Bars with lines of figures below, which a narrow terminal has room for.

    Args:
        figures: Gives these lines.
        left: Gives the seconds that the step takes yet.
        terminal: Where they are drawn.
    """

    def __init__(self, figures: Callable[[], list[str]], left: Callable[[], float | None], terminal: Console) -> None:
        self._figures = figures
        name = TextColumn("{task.description:<7}", markup=False)
        bar, share = BarColumn(bar_width=20), TextColumn("{task.percentage:>3.0f}%")
        note = TextColumn("{task.fields[note]}", markup=False, table_column=_one_line())
        time_left = _TimeColumn(left)
        # a terminal may become narrower while it is drawn on
        self._layouts: dict[int, tuple[ProgressColumn, ...]] = {
            _WIDE: (SpinnerColumn(), name, bar, share, time_left, note),
            _NARROW: (SpinnerColumn(), name, BarColumn(bar_width=10), share, time_left),
            0: (name, share, time_left),
        }
        self._terminal = terminal
        super().__init__(*self._layouts[_WIDE], console=self._terminal)

    def end(self, task: TaskID) -> None:
        """A step is done."""
        total = next((one.total for one in self.tasks if one.id == task), None)
        self.update(task, total=total or 1, completed=total or 1)

    def get_renderables(self) -> Iterable[RenderableType]:
        """The bars, then the figures."""
        width = self._terminal.width
        self.columns = next(columns for least, columns in self._layouts.items() if width >= least)
        yield Group(self.make_tasks_table(self.tasks), *map(Text, self._figures()))


class _TimeColumn(ProgressColumn):
    """What a step took, or the time that it takes yet.

    Args:
        left: Gives that time, of the step that is under way.
    """

    def __init__(self, left: Callable[[], float | None]) -> None:
        self._left = left
        super().__init__()

    def render(self, task: Task) -> Text:
        """The time of one step."""
        if task.finished:
            return Text(f"{words_of.clock(task.finished_time or 0.0)}     ")
        left = self._left()
        return Text("--:--     " if left is None else f"{words_of.clock(left)} left")


def _one_line() -> Column:
    return Column(no_wrap=True, overflow="ellipsis")

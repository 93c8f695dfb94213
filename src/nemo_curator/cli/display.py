"""Live progress of a run: on a terminal one line that moves, elsewhere a plain line now and then."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

from nemo_curator.cli.amounts import counted, shown
from nemo_curator.cli.pair_words import kind_words
from nemo_curator.pipeline.progress import Watcher

_PLAIN_SECONDS = 10.0
_MOST_GUESSED = 0.99  # of the input, for as long as a partition is under way


@dataclass(frozen=True, slots=True)
class Words:
    """What a command calls its work.

    Attributes:
        compute: The first step.
        write: The last one.
        written: What it writes.
        decides: Whether verdicts come of it.
    """

    compute: str = "score"
    write: str = "export"
    written: str = "samples"
    decides: bool = True


def display(*, quiet: bool, opening: Callable[[], None] = lambda: None, words: Words | None = None) -> Watcher:
    """The display that suits stderr: live on a terminal, plain lines elsewhere, nothing where machines listen.

    Args:
        quiet: Whether machines listen.
        opening: Called before anything is shown, when it is known that there is something to do.
        words: What the command calls its work, where it is not a data set's.
    """
    if quiet:
        return Watcher()
    return (_Live if sys.stderr.isatty() else _Plain)(opening, words or Words())


class _Counting(Watcher):
    """Counts what both displays show."""

    shows_verdicts = True

    def __init__(self, opening: Callable[[], None], words: Words) -> None:
        self._opening = opening
        self._words = words
        self.images = 0
        self.verdicts: Counter[str] = Counter()
        self.size = 0
        self.done_size = 0
        self.started = time.monotonic()
        self.ended: float | None = None
        self.partitions = ""
        self.resumed = ""

    def planned(self, partitions: int, size: int, done: int) -> None:
        self._opening()
        self.size = size
        self.started = time.monotonic()
        self.partitions = counted(partitions - done, "partition")
        self.resumed = f"{done} of {partitions} partitions are there already" if done else ""

    def noted(self, notes: Sequence[str]) -> None:
        for note in notes:
            self.say(f"note: {shown(note)}")

    def trying(self, models: Sequence[str]) -> None:
        self.say(f"trying lower precisions of {', '.join(models)} on a sample of your images …")

    def say(self, line: str) -> None:
        """Put a line where it stays."""
        sys.stderr.write(f"{line}\n")

    def read(self, records: int) -> None:
        self.images += records

    def scored(self, verdicts: Mapping[str, int], size: int) -> None:
        self.verdicts.update(verdicts)
        self.done_size += size

    def deciding(self) -> None:
        self.ended = time.monotonic()

    @property
    def rate(self) -> float:
        return self.images / max((self.ended or time.monotonic()) - self.started, 1e-9)

    @property
    def passed(self) -> float:
        """Bytes of the input that are through: those of finished partitions, and an estimate for those in work."""
        finished = self.verdicts.total()
        if not finished:
            return 0.0
        in_work = max(0, self.images - finished) * self.done_size / finished
        if self.done_size < self.size:  # images differ in size, so that an estimate may be past the end
            return min(self.done_size + in_work, _MOST_GUESSED * self.size)
        return float(self.size)

    @property
    def line(self) -> str:
        found, speed = self.verdicts, f"{self.images:,} images, {self.rate:,.0f} images/s"
        if not found:  # verdicts come with the end of a partition: that there are none yet is not that all are zero
            return f"{speed}; none of {self.partitions} is finished yet"
        of = f" (of {found.total():,} in finished partitions)" if found.total() < self.images else ""
        if not self._words.decides:
            return f"{speed}; so far readable {found['keep']:,}, unreadable {found['quarantine']:,}{of}"
        return (
            f"{speed}; so far kept {found['keep'] + found['duplicate']:,}, "
            f"rejected {found['reject']:,}, quarantined {found['quarantine']:,}{of}"
        )


class _Bars(Progress):
    """Bars with a line of figures below, which a narrow terminal has room for."""

    def __init__(self, line: Callable[[], str]) -> None:
        self._line = line
        super().__init__(
            SpinnerColumn(),
            TextColumn("{task.description:<7}"),
            BarColumn(bar_width=24),
            TextColumn("{task.percentage:>3.0f}%"),
            TimeRemainingColumn(compact=True),
            TextColumn("{task.fields[note]}"),
            console=Console(stderr=True),
        )

    def get_renderables(self) -> Iterable[RenderableType]:
        """The bars, then the figures."""
        yield from super().get_renderables()
        if line := self._line():
            yield Text(line)


class _Live(_Counting):
    """One bar for scoring (in bytes: nobody knows the number of images yet), one for export.

    The terminal is touched only once there is something to show, so that an early error leaves it as it was.
    """

    def __init__(self, opening: Callable[[], None], words: Words) -> None:
        super().__init__(opening, words)
        self._bars = _Bars(lambda: self.line if self.images else "")
        self._task: TaskID | None = None

    def planned(self, partitions: int, size: int, done: int) -> None:
        super().planned(partitions, size, done)
        self._bars.start()
        self._task = self._bars.add_task(self._words.compute, total=max(size, 1), note=self.resumed)

    def scored(self, verdicts: Mapping[str, int], size: int) -> None:
        super().scored(verdicts, size)
        self._update(completed=self.passed)

    def read(self, records: int) -> None:
        super().read(records)
        self._update(completed=self.passed)

    def deciding(self) -> None:
        super().deciding()
        self._update(completed=self.size or 1)
        self._task = self._bars.add_task("decide", total=None, note="")

    def protecting(self, name: str) -> None:
        self._bars.start()
        self._task = self._bars.add_task("protect", total=None, note=shown(name))

    def searching(self, kind: str, images: int) -> None:
        self._bars.start()  # a decision alone begins here
        self._task = self._bars.add_task("pairs", total=max(images, 1), note=f"{kind_words(kind)} among {images:,}")

    def searched(self, images: int) -> None:
        self._update(advance=images)

    def exporting(self, samples: int) -> None:
        self._bars.start()  # an export alone begins here
        self._update(total=1, completed=1)
        note = f"{samples:,} {self._words.written}"
        self._task = self._bars.add_task(self._words.write, total=max(samples, 1), note=note)

    def exported(self, samples: int) -> None:
        self._update(advance=samples)

    def say(self, line: str) -> None:
        self._bars.console.print(Text(line), soft_wrap=True)

    def close(self) -> None:
        self._bars.stop()

    def _update(
        self, *, completed: float | None = None, total: float | None = None, advance: float | None = None
    ) -> None:
        if self._task is not None:
            self._bars.update(self._task, completed=completed, total=total, advance=advance)


class _Plain(_Counting):
    """A line every ten seconds, for logs."""

    def __init__(self, opening: Callable[[], None], words: Words) -> None:
        super().__init__(opening, words)
        self._said = time.monotonic()
        self._found = self._among = 0

    def read(self, records: int) -> None:
        super().read(records)
        if time.monotonic() - self._said >= _PLAIN_SECONDS:
            self._said = time.monotonic()
            share = f", {self.passed / max(self.size, 1):.0%} of the input done" if self.verdicts else ""
            sys.stderr.write(f"{self._words.compute}: {self.line}{share}\n")

    def protecting(self, name: str) -> None:
        sys.stderr.write(f"protect: reading {shown(name)}\n")

    def searching(self, kind: str, images: int) -> None:
        sys.stderr.write(f"pairs: looking for {kind_words(kind)} among {images:,} different images\n")
        self._said, self._found, self._among = time.monotonic(), 0, images

    def searched(self, images: int) -> None:
        self._found += images
        if time.monotonic() - self._said >= _PLAIN_SECONDS:
            self._said = time.monotonic()
            sys.stderr.write(f"pairs: {self._found:,} of {self._among:,} looked for\n")

    def exporting(self, samples: int) -> None:
        computed = f"{self._words.compute}: {self.line}\n" if self.images else ""
        sys.stderr.write(f"{computed}{self._words.write}: {samples:,} {self._words.written}\n")

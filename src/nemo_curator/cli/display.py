"""Live progress of a run: on a terminal one line that moves, elsewhere a plain line now and then."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Mapping

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeRemainingColumn

from nemo_curator.pipeline.progress import Watcher

_PLAIN_SECONDS = 10.0


def display(*, quiet: bool) -> Watcher:
    """The display that suits stderr: live on a terminal, plain lines elsewhere, nothing where machines listen."""
    if quiet:
        return Watcher()
    return _Live() if sys.stderr.isatty() else _Plain()


class _Counting(Watcher):
    """Counts what both displays show."""

    def __init__(self) -> None:
        self.images = 0
        self.verdicts: Counter[str] = Counter()
        self.size = 0
        self.done_size = 0
        self.started = time.monotonic()

    def planned(self, partitions: int, size: int, done: int) -> None:
        self.size = size
        self.started = time.monotonic()
        self.resumed = f", {done} of {partitions} partitions are there already" if done else ""

    def read(self, records: int) -> None:
        self.images += records

    def scored(self, verdicts: Mapping[str, int], size: int) -> None:
        self.verdicts.update(verdicts)
        self.done_size += size

    @property
    def rate(self) -> float:
        return self.images / max(time.monotonic() - self.started, 1e-9)

    @property
    def line(self) -> str:
        found = self.verdicts
        return (
            f"{self.images:,} images, {self.rate:,.0f}/s, kept {found['keep'] + found['duplicate']:,}, "
            f"rejected {found['reject']:,}, quarantined {found['quarantine']:,}"
        )


class _Live(_Counting):
    """One bar for scoring (in bytes: nobody knows the number of images yet), one for export."""

    def __init__(self) -> None:
        super().__init__()
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description:<10}"),
            BarColumn(bar_width=24),
            TextColumn("{task.percentage:>3.0f}%"),
            TimeRemainingColumn(compact=True),
            TextColumn("{task.fields[line]}"),
            console=Console(stderr=True),
        )
        self._progress.start()
        self._task: TaskID | None = None

    def planned(self, partitions: int, size: int, done: int) -> None:
        super().planned(partitions, size, done)
        self._task = self._progress.add_task("score", total=max(size, 1), line=f"starting workers{self.resumed}")

    def read(self, records: int) -> None:
        super().read(records)
        if self._task is not None:
            self._progress.update(self._task, line=self.line)

    def scored(self, verdicts: Mapping[str, int], size: int) -> None:
        super().scored(verdicts, size)
        if self._task is not None:
            self._progress.update(self._task, completed=self.done_size, line=self.line)

    def deciding(self) -> None:
        if self._task is not None:
            self._progress.update(self._task, completed=self.size or 1, line=self.line)
        self._task = self._progress.add_task("decide", total=None, line="")

    def exporting(self, samples: int) -> None:
        if self._task is not None:
            self._progress.update(self._task, total=1, completed=1)
        self._task = self._progress.add_task("export", total=max(samples, 1), line=f"{samples:,} samples")
        self._samples = samples

    def exported(self, samples: int) -> None:
        if self._task is not None:
            self._progress.update(self._task, advance=samples)

    def close(self) -> None:
        self._progress.stop()


class _Plain(_Counting):
    """A line every ten seconds, for logs."""

    def __init__(self) -> None:
        super().__init__()
        self._said = time.monotonic()

    def read(self, records: int) -> None:
        super().read(records)
        if time.monotonic() - self._said >= _PLAIN_SECONDS:
            self._said = time.monotonic()
            share = self.done_size / max(self.size, 1)
            sys.stderr.write(f"score: {self.line}, {share:.0%} of the input done\n")

    def exporting(self, samples: int) -> None:
        sys.stderr.write(f"score: {self.line}\nexport: {samples:,} samples\n")

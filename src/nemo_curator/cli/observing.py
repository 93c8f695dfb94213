"""`--log-json` and `--metrics`: what a command does, written down for machines while it does it.

Neither ever ends a run: where one cannot be written any more, that is said once, and the run goes on without it. What
can be wrong with a place is found before the run begins.
"""

from __future__ import annotations

import datetime as dt
import os
import stat
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from nemo_curator import __version__, storage
from nemo_curator.backends.local.heartbeat import Heartbeat
from nemo_curator.cli.amounts import shown
from nemo_curator.cli.failures import INTERRUPTED, Interrupted, is_interruption
from nemo_curator.cli.progress_words import interrupted
from nemo_curator.errors import CuratorError, OutputError, OutputExistsError
from nemo_curator.pipeline.places import path_inside
from nemo_curator.pipeline.progress import Several, Watcher
from nemo_curator.pipeline.progress import events as ev
from nemo_curator.pipeline.progress.log_lines import VERSION, facts_of, line_of, progress_of
from nemo_curator.pipeline.progress.metrics import PREFIX, exposition
from nemo_curator.pipeline.progress.standing import Standing

STDERR = "-"

_LOG_SECONDS = 10.0  # between two lines that say how far it is
_METRICS_SECONDS = 5.0
_OURS = b'{"v": %d, ' % VERSION


@dataclass(frozen=True, slots=True)
class Observing:
    """Where a command is written down.

    Attributes:
        log: File of the lines of JSON, `-` for standard error; None for none.
        metrics: File of the metrics; None for none.
    """

    log: str | None = None
    metrics: str | None = None

    @property
    def takes_stderr(self) -> bool:
        """Whether standard error is for machines."""
        return self.log == STDERR


NOWHERE = Observing()
"""For a dry run, which writes nothing."""


@contextmanager
def observed(
    command: str, observing: Observing, shown_by: Watcher, places: Mapping[str, str | Sequence[str]]
) -> Iterator[Watcher]:
    """Watch a command: `shown_by` for people, and whatever else was asked for.

    Args:
        command: Its name.
        observing: Where it is written down.
        shown_by: The display.
        places: What it reads and writes, by name; nothing is written into any of them.

    Raises:
        OutputError: A file cannot be written, or lies where it must not.
        Interrupted: The command was stopped; the sentence says what is kept.
    """
    for option, path in (("--log-json", observing.log), ("--metrics", observing.metrics)):
        if path is not None and (option, path) != ("--log-json", STDERR):
            _refuse_place(option, path, places)
    writers: list[Watcher] = []
    if observing.metrics is not None:
        writers.append(MetricsFile(observing.metrics))
    if observing.log is not None:
        writers.append(JsonLog(observing.log))
    written = Several(writers)
    written.told(ev.Begun(command, __version__, places))
    account = _Account()
    try:
        yield Several([account, shown_by, *writers])
    except BaseException as error:
        written.told(_failed(error))
        if is_interruption(error):
            raise Interrupted(interrupted(account.standing, keeps=not {"run", "output"}.isdisjoint(places))) from error
        raise
    else:
        written.told(ev.Finished())
    finally:
        written.close()


class _Account(Watcher):
    """Keeps account of a command, for the sentence that says how far it came."""

    def __init__(self) -> None:
        self.standing = Standing()

    def told(self, event: ev.Event) -> None:
        """Take account of it."""
        self.standing.take(event, time.monotonic())


def _failed(error: BaseException) -> ev.Failed:
    if is_interruption(error):
        return ev.Failed("Interrupted", INTERRUPTED, "interrupted")
    if isinstance(error, CuratorError):
        return ev.Failed(type(error).__name__, error.exit_code, str(error))
    return ev.Failed(type(error).__name__, 1, f"{type(error).__name__}: {error}")


def _refuse_place(option: str, path: str, places: Mapping[str, str | Sequence[str]]) -> None:
    if not storage.is_local(path):
        raise OutputError("this is no file of this machine", where=path, act=f"give {option} a local path")
    for name, found in places.items():
        for place in [found] if isinstance(found, str) else found:
            for one in {place, place.partition("=")[2] or place}:  # an input may be NAME=PATH
                if path_inside(path, one) is not None:
                    raise OutputExistsError(
                        f"the file of {option} would lie in {one} ({name})",
                        where=path,
                        act="choose a place of its own for it",
                    )


class _Writer(Watcher):
    """Keeps account of a run, and writes for as long as that works.

    Args:
        path: Where to, as the user said it.
    """

    shows_verdicts = True

    def __init__(self, path: str) -> None:
        self.path = path
        self.standing = Standing()
        self.started = time.time()
        self._began = time.monotonic()
        self._broken = False
        self._heart = Heartbeat(lambda pulse: self.standing.take(pulse, time.monotonic()))

    def told(self, event: ev.Event) -> None:
        """Take account of it, and write."""
        now = time.monotonic()
        self.standing.take(event, now)
        if self.standing.phase not in {"scoring", "finished", "failed"}:  # then the executor says it
            self._heart.beat()
        if not self._broken:
            try:
                self.write(event, now)
            except (OSError, CuratorError) as error:
                self._broken = True
                reason = error.strerror if isinstance(error, OSError) else str(error)
                if self.path != STDERR:
                    with suppress(OSError):
                        sys.stderr.write(f"note: {shown(self.path)} is not written any more: {shown(reason)}\n")

    def write(self, event: ev.Event, now: float) -> None:
        """Write what there is to write."""
        raise NotImplementedError

    def elapsed(self, now: float) -> float:
        """Seconds since the command began."""
        return now - self._began


class JsonLog(_Writer):
    """One line of JSON an event, appended: a command that goes on where it stopped goes on in the same file.

    Args:
        path: A file; `-` for standard error.

    Raises:
        OutputError: It cannot be written.
        OutputExistsError: It holds something else.
    """

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self._said = self._began
        self._descriptor = -1 if path == STDERR else _opened(storage.local_path(path))

    def write(self, event: ev.Event, now: float) -> None:
        """Write the event's lines, or now and then how far it is."""
        lines = facts_of(event, self.standing)
        if not lines and now - self._said >= _LOG_SECONDS:
            self._said = now
            lines = [progress_of(self.standing, now)]
        moment = dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        for facts in lines:
            self._write_line(line_of(facts, time=moment, elapsed=self.elapsed(now)))

    def _write_line(self, line: bytes) -> None:
        if self.path == STDERR:
            sys.stderr.buffer.write(line)
            sys.stderr.flush()
        else:
            _write_all(self._descriptor, line)

    def close(self) -> None:
        """Nothing comes after the end of the command."""
        if self.standing.phase in {"finished", "failed"} and self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class MetricsFile(_Writer):
    """The metrics, written anew every few seconds and at the end; a reader sees a whole file at any moment.

    Args:
        path: The file.

    Raises:
        OutputExistsError: There is a file that this program did not write.
    """

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self._next = 0.0
        self._phase = ""
        # a device or pipe would be replaced, not written to
        _refuse_other(storage.local_path(path), "--metrics", f"# HELP {PREFIX}".encode(), special=False)
        _sweep(Path(storage.local_path(path)))

    def told(self, event: ev.Event) -> None:
        """Take account of it, and write; the first time it must work."""
        if isinstance(event, ev.Begun):
            self.standing.take(event, time.monotonic())
            self.write(event, time.monotonic())
        else:
            super().told(event)

    def write(self, event: ev.Event, now: float) -> None:  # noqa: ARG002 (what happened stands in the account)
        """Write all, if it is time for it or the run does something else now."""
        if now < self._next and self.standing.phase == self._phase:
            return
        self._next, self._phase = now + _METRICS_SECONDS, self.standing.phase
        text = exposition(self.standing, now, wall=time.time(), started=self.started)
        with storage.write_atomic(self.path) as file:
            file.write(text.encode())


def _opened(path: str) -> int:
    """The log, at whose end is written."""
    _refuse_other(path, "--log-json", _OURS)
    try:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
        if stat.S_ISREG(os.fstat(descriptor).st_mode) and _is_torn(path):
            os.write(descriptor, b"\n")  # a line that a killed command did not finish stays alone
    except OSError as error:
        raise storage.storage_error(path, error) from error
    return descriptor


def _is_torn(path: str) -> bool:
    with Path(path).open("rb") as file:
        if not file.seek(0, os.SEEK_END):
            return False
        file.seek(-1, os.SEEK_END)
        return file.read(1) != b"\n"


def _refuse_other(path: str, option: str, ours: bytes, *, special: bool = True) -> None:
    """Refuse a file that this program did not write, and where `special` is False what is no regular file.

    Raises:
        OutputExistsError: It is one, or a folder.
    """
    try:
        there = os.stat(path)  # noqa: PTH116 (paths are plain strings here)
        if stat.S_ISREG(there.st_mode) and there.st_size:
            with Path(path).open("rb") as file:
                head = file.read(len(ours))
        else:
            head = ours if stat.S_ISREG(there.st_mode) or (special and not stat.S_ISDIR(there.st_mode)) else b""
    except FileNotFoundError:
        return
    except OSError as error:
        raise storage.storage_error(path, error, verb="be read") from error
    if head != ours:
        raise OutputExistsError(
            f"this holds something that is not of {option}", where=path, act="choose another file for it"
        )


def _sweep(path: Path) -> None:
    """Remove what a killed command left beside the file."""
    with suppress(OSError):
        for one in path.parent.iterdir():
            if one.name.startswith(f"{path.name}.tmp-") and storage.is_temporary(one.name):
                one.unlink()


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]

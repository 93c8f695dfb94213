"""What becomes of hostile files, seen from outside: a child process reads them, and may crash or hang on any.

Owner: a `Child` belongs to the thread that uses it. `outcomes` uses one a thread.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

REPOSITORY = Path(__file__).resolve().parents[2]
HANG = 10.0
"""Seconds of processor time on one file that make a hang; a busy machine does not use them up."""

_BLOCKED = 120.0  # seconds of waiting without using the processor
_LOOK = 0.5


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one file.

    Attributes:
        kind: `picture`, `error` (a `SampleError`), `other` (anything else that was raised), `died` or `hung`.
        code: The error's code, the exception's class, or the signal; for a picture its type of numbers.
        text: The error's message; for a picture its checksum and what decoders said.
        shape: The picture's.
        growth: Memory that the file took at its peak, bytes; 0 where it ended the process.
        peak: Memory of the whole process at that time, bytes.
    """

    kind: str
    code: str
    text: str = ""
    shape: tuple[int, ...] = ()
    growth: int = 0
    peak: int = 0

    @property
    def same(self) -> tuple[str, str, str, tuple[int, ...]]:
        """What must be equal whenever the same file is read again."""
        return self.kind, self.code, self.text, self.shape

    @property
    def name(self) -> str:
        """A word or two for a table."""
        return self.kind if self.kind in {"picture", "hung"} else f"{self.kind} {self.code}"


class Child:
    """A process that reads files; a new one takes its place whenever a file ends it."""

    def __init__(self, hang: float = HANG) -> None:
        """Start nothing yet; `hang` is in seconds of processor time."""
        self._hang = hang
        self._process: subprocess.Popen[bytes] | None = None
        self._to = self._from = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._bury()

    @property
    def pid(self) -> int:
        """Of the process, once it has read a file."""
        return self._process.pid if self._process else -1

    def outcome(self, data: bytes) -> Outcome:
        """Let the process read one file."""
        if self._process is None:
            self._start()
        try:
            self._send(len(data).to_bytes(4, "big") + data)
            line = self._answer()
        except TimeoutError:
            self._bury()
            return Outcome("hung", "", f"more than {self._hang:g} s")
        except (BrokenPipeError, EOFError):
            return Outcome("died", self._bury())
        told = json.loads(line)
        before, peak = (told.pop(name) * 1024 for name in ("before", "peak"))
        told["shape"] = tuple(told.get("shape", ()))
        return Outcome(**told, growth=peak - before, peak=peak)

    def _start(self) -> None:
        """Start a process, with two pipes to it."""
        theirs, self._to = os.pipe()
        self._from, answers = os.pipe()
        # -W error: a warning that escapes would be one that a user sees
        command = [sys.executable, "-W", "error", "-m", "tests.codecs.fuzz_child", str(theirs), str(answers)]
        path = os.pathsep.join([str(REPOSITORY / "src"), str(REPOSITORY)])
        environment = {**os.environ, "PYTHONPATH": path}
        self._process = subprocess.Popen(command, pass_fds=(theirs, answers), cwd=REPOSITORY, env=environment)
        os.close(theirs)
        os.close(answers)

    def _send(self, data: bytes) -> None:
        """Write all of a request."""
        view = memoryview(data)
        while view:
            view = view[os.write(self._to, view) :]

    def _answer(self) -> bytes:
        """The next line.

        Raises:
            EOFError: The process ended instead.
            TimeoutError: It takes too long.
        """
        began, used, line = time.monotonic(), self._used(), b""
        while not line.endswith(b"\n"):
            if not select.select([self._from], [], [], _LOOK)[0]:
                if self._used() - used > self._hang or time.monotonic() - began > _BLOCKED + self._hang:
                    raise TimeoutError
                continue
            part = os.read(self._from, 1 << 16)
            if not part:
                raise EOFError
            line += part
        return line

    def _used(self) -> float:
        """Processor time of the process so far, seconds."""
        with contextlib.suppress(psutil.Error):
            times = psutil.Process(self._process.pid).cpu_times() if self._process else None
            return times.user + times.system if times else 0.0
        return 0.0

    def _bury(self) -> str:
        """End the process if it has not ended; returns what ended it."""
        if self._process is None:
            return ""
        os.close(self._to)
        os.close(self._from)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(0.5)
        self._process.kill()
        code = self._process.wait()
        self._process = None
        return signal.Signals(-code).name if code < 0 else f"exit {code}"


def outcomes(numbers: Iterable[int], file: Callable[[int], bytes], children: int = 1) -> dict[int, Outcome]:
    """One outcome for each number.

    Args:
        numbers: Which files.
        file: Number to bytes; called in several threads.
        children: How many processes share the work.
    """
    wanted = list(numbers)

    def share(start: int) -> list[tuple[int, Outcome]]:
        with Child() as child:
            return [(number, child.outcome(file(number))) for number in wanted[start::children]]

    with ThreadPoolExecutor(children) as pool:
        found = dict(pair for part in pool.map(share, range(children)) for pair in part)
    return {number: found[number] for number in wanted}


def table(found: dict[int, Outcome]) -> Iterator[str]:
    """Lines that say how often each outcome was, and the numbers of those that ended or surprised a process."""
    for name, count in Counter(outcome.name for outcome in found.values()).most_common():
        rare = [number for number, outcome in found.items() if outcome.name == name]
        which = "" if name.startswith(("picture", "error")) else f"  {rare[:50]}"
        yield f"{count:7,}  {name}{which}"
    yield f"{max((outcome.peak for outcome in found.values()), default=0) / 1e6:7,.0f}  MB at the peak"

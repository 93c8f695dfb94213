"""The processes that make thumbnails, as their parent sees them; some started before anybody needs one.

A `Developers` may be used by several threads; a process that one of them took is its own until it is given back.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from contextlib import suppress
from types import TracebackType
from typing import Any, BinaryIO, Self

from nemo_curator.cores import usable_cores
from nemo_curator.report.thumbnail_messages import ANSWER, REQUEST

SIDE_BY_SIDE = 2
"""Processes that make the thumbnails of one page at most."""


class Developer:
    """One process, started."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(  # noqa: S603  our own module, in our own interpreter
            [sys.executable, "-P", "-m", "nemo_curator.report.thumbnail_worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
            start_new_session=True,  # the terminal's Ctrl-C goes to the parent alone, whose end is the worker's
        )

    def ask(self, data: bytes, side: int, seconds: float) -> tuple[bool, tuple[int, int], bytes]:
        """One request and its answer.

        Args:
            data: An encoded image.
            side: Longer side of its thumbnail in pixels.
            seconds: Time that it may take.

        Returns:
            Whether it went well, (width, height), and the thumbnail or a sentence about why not.

        Raises:
            OSError, EOFError: The process died, or was killed because it took too long.
        """
        requests, answers = self._process.stdin, self._process.stdout
        if requests is None or answers is None:
            raise EOFError
        timer = threading.Timer(seconds, self._process.kill)
        timer.daemon = True
        timer.start()
        try:
            requests.write(REQUEST.pack(side, len(data)) + data)
            requests.flush()
            good, width, height, length = ANSWER.unpack(_exactly(answers, ANSWER.size))
            body = _exactly(answers, length)
        finally:
            timer.cancel()
        return good, (width, height), body

    def close(self) -> None:
        """End the process."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError):  # unsent bytes for a process that died
                    pipe.close()
        self._process.kill()
        self._process.wait()


class Developers:
    """Processes to take and to give back. A context manager, which ends those that wait."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[Developer] = []

    def start_ahead(self) -> None:
        """Start as many as the thumbnails of a page need; they import while their caller does other things."""
        with self._lock:
            self._waiting += [Developer() for _ in range(min(SIDE_BY_SIDE, usable_cores()))]

    def take(self) -> Developer:
        """One that waits, or a new one."""
        with self._lock:
            if self._waiting:
                return self._waiting.pop(0)
        return Developer()

    def give_back(self, developer: Developer) -> None:
        """Let the next one have it."""
        with self._lock:
            self._waiting.append(developer)

    def close(self) -> None:
        """End those that wait."""
        with self._lock:
            while self._waiting:
                self._waiting.pop().close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _exactly(file: BinaryIO | Any, length: int) -> bytes:
    data = bytes(file.read(length))
    if len(data) != length:
        raise EOFError
    return data

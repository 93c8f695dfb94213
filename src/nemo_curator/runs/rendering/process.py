"""A child process that answers one request after another, as its parent sees it. Of one thread.

A request is a length, how long the child may take, and so many bytes. An answer is a few numbers, the last of which is
a length, and so many bytes. What the child takes longer for than it may, and what kills it, ends as an exception here
and as a dead child. The child's own timers end it (see `allowance`); the parent only waits longer than these do.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from nemo_curator.runs.rendering.allowance import PATIENCE

REQUEST = struct.Struct("<Qd")
READY = b"+"
"""What a child says when it has imported what it needs."""

_STARTING = 120.0  # seconds; a machine that is loaded takes its time to import
_GRACE = 60.0  # seconds that a child whose timers do not end it has more than they would have given it
_AT_ONCE = 1 << 20  # bytes that a pipe holds and a read asks for
_SET_PIPE_SIZE = getattr(fcntl, "F_SETPIPE_SZ", None)


class DiedError(Exception):
    """The child is dead: it crashed, or took longer than it may."""


class NotStartedError(Exception):
    """The child never came to its first request, which is the fault of no request."""


class AskedProcess:
    """One child.

    Args:
        module: What it runs, in our own interpreter.
        answer: How an answer begins.
        *arguments: What it is told on its command line.

    Raises:
        NotStartedError: There is no process to be had.
    """

    def __init__(self, module: str, answer: struct.Struct, *arguments: str) -> None:
        self._answer = answer
        try:
            self._child = subprocess.Popen(  # noqa: S603  our own module, in our own interpreter
                [sys.executable, "-P", "-m", module, *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                bufsize=0,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
                start_new_session=True,  # the terminal's Ctrl-C goes to the parent alone, whose end is the child's
            )
        except OSError as error:
            raise NotStartedError(str(error)) from error
        pipes = [pipe for pipe in (self._child.stdin, self._child.stdout) if pipe is not None]
        self._requests, self._answers = (pipe.fileno() for pipe in pipes)
        os.set_blocking(self._requests, False)
        for pipe in (self._requests, self._answers):
            if _SET_PIPE_SIZE is not None:
                with contextlib.suppress(OSError):  # a user has so many such pages, and no more
                    fcntl.fcntl(pipe, _SET_PIPE_SIZE, _AT_ONCE)
        self._ready = False

    def ask(
        self, data: bytes, seconds: float, room: Callable[[int], bool] = lambda _: True
    ) -> tuple[tuple[Any, ...], bytes]:
        """One request and its answer.

        Args:
            data: What is asked.
            seconds: Processor time that the answer may take; that the child starts is not counted.
            room: Waits until there is room for so many bytes of an answer, which the child keeps until then; whether
                there is to be one at all.

        Returns:
            (the numbers that the answer begins with, its bytes).

        Raises:
            DiedError: There is none; the child is dead, also where there is to be none.
            NotStartedError: It did not even start; it is dead too.
        """
        if not self._ready:
            self._start()
        try:
            end = time.monotonic() + PATIENCE * seconds + _GRACE
            self._write(REQUEST.pack(len(data), seconds), end)
            self._write(data, end)
            numbers = self._answer.unpack(self._read(self._answer.size, end))
            if room(numbers[-1]):
                return numbers, self._read(numbers[-1], time.monotonic() + _GRACE)
        except (OSError, EOFError) as error:
            self.close()
            raise DiedError from error
        self.close()
        raise DiedError

    def _start(self) -> None:
        try:
            self._ready = self._read(len(READY), time.monotonic() + _STARTING) == READY
        except (OSError, EOFError) as error:
            self.close()
            raise NotStartedError("it ended, or took too long, before its first image") from error

    def close(self) -> None:
        """End the child."""
        self._child.kill()
        for pipe in (self._child.stdin, self._child.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        self._child.wait()

    def kill(self) -> None:
        """End the child from another thread; the thread that owns it still closes it."""
        self._child.kill()

    def _write(self, data: bytes, end: float) -> None:
        rest = memoryview(data)
        while rest:
            _wait(self._requests, select.POLLOUT, end)
            with contextlib.suppress(BlockingIOError):
                rest = rest[os.write(self._requests, rest[:_AT_ONCE]) :]

    def _read(self, length: int, end: float) -> bytes:
        found = bytearray()
        while len(found) < length:
            _wait(self._answers, select.POLLIN, end)
            piece = os.read(self._answers, min(_AT_ONCE, length - len(found)))
            if not piece:
                raise EOFError
            found += piece
        return bytes(found)


def _wait(descriptor: int, event: int, end: float) -> None:
    """Wait until a pipe can be used.

    Raises:
        TimeoutError: It cannot until the end.
    """
    poll = select.poll()
    poll.register(descriptor, event)
    if not poll.poll(max(0.0, end - time.monotonic()) * 1000):
        raise TimeoutError

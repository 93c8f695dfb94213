"""Thumbnails of images where they lie: their bytes once more, checked, decoded in a process of their own.

Whatever fails (a source that is gone, bytes that changed, a decoder that crashes or hangs) ends as a thumbnail that
is missing for a reason, never as an exception. This module's objects belong to one thread; a timer's thread does
nothing but kill the process.
"""

from __future__ import annotations

import base64
import os
import subprocess
import sys
import threading
from collections.abc import Iterable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, BinaryIO, Self

from nemo_curator.errors import CuratorError
from nemo_curator.kernels.source import Member
from nemo_curator.report.thumbnail_worker import ANSWER, REQUEST, SIDE
from nemo_curator.shards.fetch import MemberReader

MOST_BYTES = 8_000_000
"""Bytes of all thumbnails of a page together at most; a third more once they stand in the page."""

LEFT_OUT = "left out to keep this page small"
"""Why there is no thumbnail once there are so many."""


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A small picture, or why there is none.

    Attributes:
        uri: A data URI, or "".
        missing: Why there is none, or "".
        shape: (width, height) in pixels.
    """

    uri: str = ""
    missing: str = ""
    shape: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True)
class Developed:
    """A small picture as a file, or why there is none.

    Attributes:
        data: The file, JPEG, or b"".
        missing: Why there is none, or "".
        shape: (width, height) in pixels.
        lasting: Whether the same bytes would come to the same; not so where they could not be read.
    """

    data: bytes = b""
    missing: str = ""
    shape: tuple[int, int] = (0, 0)
    lasting: bool = True

    @property
    def thumbnail(self) -> Thumbnail:
        """The same with the file as a data URI."""
        uri = f"data:image/jpeg;base64,{base64.b64encode(self.data).decode('ascii')}" if self.data else ""
        return Thumbnail(uri, self.missing, self.shape)


def within(thumbnails: Mapping[int, Thumbnail], first: Iterable[int], most: int) -> dict[int, Thumbnail]:
    """Thumbnails that together have a size, and placeholders for the rest.

    Args:
        thumbnails: Thumbnails by the position of their image.
        first: Positions, the most important first; all of them.
        most: Bytes of all together at most; the first one is there whatever it has.
    """
    found, taken = dict(thumbnails), 0
    for position in first:
        if taken >= most:
            found[position] = Thumbnail(missing=thumbnails[position].missing or LEFT_OUT)
        taken += len(thumbnails[position].uri) * 3 // 4
    return found


class Thumbnailer:
    """Makes thumbnails. A context manager; of one thread.

    Args:
        seconds: Time that one image may take.
        side: Longer side of a thumbnail in pixels.
    """

    def __init__(self, seconds: float = 10.0, side: int = SIDE) -> None:
        self._seconds = seconds
        self._side = side
        self._stack = ExitStack()
        self._reader = self._stack.enter_context(MemberReader())
        self._process: _Process | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the process, and let sources go."""
        if self._process is not None:
            self._process.close()
            self._process = None
        self._stack.close()

    def make(self, row: Mapping[str, Any], location: str | None) -> Thumbnail:
        """The thumbnail of one image.

        Args:
            row: `members` and `primary` of its part row.
            location: What opens its shard or file, or None where nobody knows.
        """
        return self.develop(row, location).thumbnail

    def develop(self, row: Mapping[str, Any], location: str | None) -> Developed:
        """The same as a file.

        Args:
            row: `members` and `primary` of its part row.
            location: What opens its shard or file, or None where nobody knows.
        """
        if location is None or not 0 <= row["primary"] < len(row["members"]):
            return Developed(missing="nobody knows where its bytes lie", lasting=False)
        try:
            (data,) = self._reader.read(location, [Member(**row["members"][row["primary"]])])
        except (CuratorError, OSError) as error:
            cause = error.cause if isinstance(error, CuratorError) else error.strerror
            why = f"cannot be read any more: {cause}" if cause else "cannot be read any more"
            return Developed(missing=why, lasting=False)
        return self._developed(data)

    def _developed(self, data: bytes) -> Developed:
        if self._process is None:
            self._process = _Process(self._side)
        try:
            return self._process.ask(data, self._seconds)
        except (OSError, EOFError):
            self._process.close()
            self._process = None
            return Developed(missing=f"its decoder crashed, or took longer than {self._seconds:g} s")


class _Process:
    """The worker as its parent sees it."""

    def __init__(self, side: int) -> None:
        self._process = subprocess.Popen(  # noqa: S603  our own module, in our own interpreter
            [sys.executable, "-P", "-m", "nemo_curator.report.thumbnail_worker", str(side)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
            start_new_session=True,  # the terminal's Ctrl-C goes to the parent alone, whose end is the worker's
        )

    def ask(self, data: bytes, seconds: float) -> Developed:
        """One request and its answer.

        Raises:
            OSError, EOFError: The worker died, or was killed because it took too long.
        """
        requests, answers = self._process.stdin, self._process.stdout
        if requests is None or answers is None:
            raise EOFError
        timer = threading.Timer(seconds, self._process.kill)
        timer.daemon = True
        timer.start()
        try:
            requests.write(REQUEST.pack(len(data)) + data)
            requests.flush()
            good, width, height, length = ANSWER.unpack(_exactly(answers, ANSWER.size))
            body = _exactly(answers, length)
        finally:
            timer.cancel()
        if not good:
            return Developed(missing=body.decode("utf-8", "replace"))
        return Developed(body, "", (width, height))

    def close(self) -> None:
        """End the worker."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError):  # unsent bytes for a worker that died
                    pipe.close()
        self._process.kill()
        self._process.wait()


def _exactly(file: BinaryIO | Any, length: int) -> bytes:
    data = bytes(file.read(length))
    if len(data) != length:
        raise EOFError
    return data

"""Thumbnails of images where they lie: their bytes once more, checked, decoded in a process of their own.

Whatever fails (a source that is gone, bytes that changed, a decoder that crashes or hangs) ends as a thumbnail that
is missing for a reason, never as an exception. A `Thumbnailer` belongs to one thread.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from nemo_curator.errors import CuratorError
from nemo_curator.kernels.source import Member
from nemo_curator.report.developers import Developer, Developers
from nemo_curator.report.thumbnail_messages import SIDE
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
        developers: Where its process comes from and goes to; it starts one of its own and ends it by default.
    """

    def __init__(self, seconds: float = 10.0, side: int = SIDE, developers: Developers | None = None) -> None:
        self._seconds = seconds
        self._side = side
        self._stack = ExitStack()
        self._reader = self._stack.enter_context(MemberReader())
        self._developers = developers or self._stack.enter_context(Developers())
        self._developer: Developer | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the process back, and let sources go."""
        if self._developer is not None:
            self._developers.give_back(self._developer)
            self._developer = None
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
        if self._developer is None:
            self._developer = self._developers.take()
        try:
            good, shape, body = self._developer.ask(data, self._side, self._seconds)
        except (OSError, EOFError):
            self._developer.close()
            self._developer = None
            return Developed(missing=f"its decoder crashed, or took longer than {self._seconds:g} s")
        return Developed(body, "", shape) if good else Developed(missing=body.decode("utf-8", "replace"))

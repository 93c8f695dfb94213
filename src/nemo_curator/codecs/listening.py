"""Hearing what libraries say while they parse, without touching the rest of the process.

`warnings.catch_warnings` swaps state of the whole process, so a thread of the user's would lose its own
warnings. Here one permanent filter stands at the front of `warnings.filters` and on the loggers of Pillow; it
matches only in a thread that is inside `listening()`, and lets everything else pass as if it were not there.

Owner: what was heard belongs to the thread that listens; the filter list is changed under one lock.
"""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Sequence
from types import TracebackType
from typing import Any

from nemo_curator.codecs.trouble import one_line

# the loggers of our decoders that ever speak at WARNING or above (a filter does not reach child loggers)
_LOGGERS = ("PIL.TiffImagePlugin", "PIL.Image", "PIL.PngImagePlugin", "pillow_heif")

_MOST_HEARD = 8  # different texts

_install_lock = threading.Lock()


class _Ear(threading.local):
    """What the current thread has heard; None while it does not listen."""

    heard: list[str] | None = None


_ear = _Ear()


class _InThisThread:
    """Stands where a warning filter has its regular expression: matches every text, in listening threads only."""

    def match(self, text: str) -> bool:
        if _ear.heard is None:
            return False
        _ear.heard.append(text)
        return True


class _LogFilter(logging.Filter):
    """Takes the place of a handler for records logged in a listening thread."""

    def filter(self, record: logging.LogRecord) -> bool:
        if _ear.heard is None or record.levelno < logging.WARNING:
            return True
        _ear.heard.append(record.getMessage())
        return False


_WARNING_FILTER: Any = ("ignore", _InThisThread(), Warning, None, 0)
_LOG_FILTER = _LogFilter()


def _install() -> None:
    """Put the filters in place, first in line; pytest and `catch_warnings` may have put others before them."""
    filters: Any = warnings.filters
    if filters and filters[0] is _WARNING_FILTER:
        return
    with _install_lock:
        if _WARNING_FILTER in filters:
            filters.remove(_WARNING_FILTER)
        filters.insert(0, _WARNING_FILTER)
        for name in _LOGGERS:
            logging.getLogger(name).addFilter(_LOG_FILTER)  # does nothing where it is already there


def distinct(heard: Sequence[str]) -> tuple[str, ...]:
    """What was heard as short lines, each once, in order; at most some, because a hostile file can cause thousands."""
    if not heard:  # as nearly always
        return ()
    return tuple(dict.fromkeys(filter(None, map(one_line, heard))))[:_MOST_HEARD]


class listening:  # noqa: N801  used as a function; a generator would take five times as long, twice an image
    """Collect the warnings that this thread causes, as texts in order; none is printed or raised.

    Blocks may be nested: the inner one hears its own part, and the outer one is told of it at its end. `as` gives the
    texts heard so far, a list that grows while the block runs.
    """

    __slots__ = ("_before", "_heard")

    def __enter__(self) -> list[str]:
        """Begin to listen."""
        _install()
        self._before = _ear.heard
        self._heard: list[str] = []
        _ear.heard = self._heard
        return self._heard

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End, and tell the block around it."""
        _ear.heard = self._before
        if self._before is not None:
            self._before += self._heard

"""Iterators that run side by side in threads, read one after the other.

NumPy works outside the interpreter's lock, so that threads are enough. The reader's thread owns the order: it empties
the first iterator, then the second. Each iterator belongs to one thread of the pool from its first to its last item,
and waits as soon as a few of its items are unread; so what is ahead of the reader stays small. What is read, and its
order, do not depend on the number of threads.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

T = TypeVar("T")

_UNREAD = 2  # items of one iterator that wait to be read
_LOOKS_UP = 0.05  # seconds after which a thread that waits looks whether its items are still wanted


def one_after_another(makers: Sequence[Callable[[], Iterator[T]]], threads: int) -> Iterator[T]:
    """The items of some iterators, in order.

    Args:
        makers: Make the iterators, each in the thread that runs it.
        threads: How many run at a time; with one, everything happens in the reader's thread.

    Yields:
        All items of the first iterator, then those of the second, and so on.

    Raises:
        Exception: Whatever an iterator raises, where its item would have been.
    """
    if threads < 2 or len(makers) < 2:
        for make in makers:
            yield from make()
        return
    stopped = threading.Event()
    lines = [_Line[T](make, stopped) for make in makers]
    with ThreadPoolExecutor(threads, "kernel") as pool:
        try:
            ahead = iter(lines)
            started = [next(ahead) for _ in range(min(threads, len(lines)))]
            for line in started:
                pool.submit(line.run)
            for line in lines:
                yield from line
                if (following := next(ahead, None)) is not None:
                    pool.submit(following.run)
        finally:
            stopped.set()


class _Line(Generic[T]):
    """One iterator, and its items that wait."""

    def __init__(self, make: Callable[[], Iterator[T]], stopped: threading.Event) -> None:
        self._make = make
        self._stopped = stopped
        self._items: queue.Queue[tuple[str, T | Exception | None]] = queue.Queue(_UNREAD)

    def run(self) -> None:
        """Fill the line; in a thread of the pool."""
        try:
            for item in self._make():
                if not self._put(("item", item)):
                    return
        except Exception as error:  # noqa: BLE001 (it is raised again where it is read)
            self._put(("error", error))
        else:
            self._put(("end", None))

    def __iter__(self) -> Iterator[T]:
        while True:
            kind, value = self._items.get()
            if kind == "end":
                return
            if isinstance(value, Exception) and kind == "error":
                raise value
            yield value  # type: ignore[misc]  # what is no end and no error is an item

    def _put(self, item: tuple[str, T | Exception | None]) -> bool:
        while not self._stopped.is_set():
            try:
                self._items.put(item, timeout=_LOOKS_UP)
            except queue.Full:
                continue
            return True
        return False

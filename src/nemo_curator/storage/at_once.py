"""Many small requests: several of them on their way at once, their answers in order.

The thread that asks owns the queue. A thread of the pool owns one request and its answer while it waits for it; the
client that all of them use is the one of the thread that asks, where it is of the kind that many may use.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain
from typing import TypeVar

from nemo_curator.storage.place import is_local
from nemo_curator.storage.reach import lend, lent

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")

_REQUESTS = 16
"""Requests on their way at once: a store answers each in tens of milliseconds, and many as fast as one."""


def at_once(
    ask: Callable[[Asked], Answer], pieces: Iterable[Asked], url: str, most: int = _REQUESTS
) -> Iterator[Answer]:
    """What `ask` makes of each piece, in order. On this machine one after the other, in the thread that asks.

    Args:
        ask: Makes a request or a few; called from any thread.
        pieces: Taken from the thread that asks.
        url: Where it asks: a place in the storage that all pieces are about.
        most: Pieces that are asked for at once, and as many answers that wait to be taken.
    """
    if is_local(url) or most <= 1:
        yield from map(ask, pieces)
        return
    rest = iter(pieces)
    first = next(rest, None)
    if first is None:
        return
    yield ask(first)  # the client connects once, before many ask it
    second = next(rest, None)
    if second is None:
        return
    waiting: deque[Future[Answer]] = deque()
    with ThreadPoolExecutor(most, "requests", lend, (lent(url),)) as pool:
        try:
            for piece in chain((second,), rest):
                if len(waiting) >= 2 * most:
                    yield waiting.popleft().result()
                waiting.append(pool.submit(ask, piece))
            while waiting:
                yield waiting.popleft().result()
        finally:
            for left in waiting:
                left.cancel()

"""Work on pieces by several threads, with results in the order of the pieces.

The thread that asks owns the queue and everything that it is given; a thread of the pool owns one piece and its result
while it works on it. NumPy lets go of the interpreter inside its loops and products. The library that multiplies has
threads of its own, which wait for one another at every small product; they are switched off meanwhile, for the whole
process.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from threadpoolctl import threadpool_limits

Piece = TypeVar("Piece")
Result = TypeVar("Result")


def in_order(work: Callable[[Piece], Result], pieces: Iterable[Piece], threads: int) -> Iterator[Result]:
    """What `work` makes of each piece, in order; at most two results a thread wait to be taken.

    Args:
        work: Called from any thread.
        pieces: Taken from this thread.
        threads: 1 works in the thread that asks.
    """
    if threads <= 1:
        yield from map(work, pieces)
        return
    waiting: deque[Future[Result]] = deque()
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(threads, "pieces") as pool:
        try:
            for piece in pieces:
                if len(waiting) >= 2 * threads:
                    yield waiting.popleft().result()
                waiting.append(pool.submit(work, piece))
            while waiting:
                yield waiting.popleft().result()
        finally:
            for left in waiting:
                left.cancel()

"""The driver's side of a run on a cluster: results come in, and news are heard meanwhile.

Threads: the main thread waits for results, and is the only one that gives them on. A second one, the reporter's, asks
for the news. Whoever calls back (progress, images that were given up) has the turn; the main thread has it whenever
it is not waiting, so callbacks never run beside the code that uses the results.
"""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator
from contextlib import closing

import pyarrow as pa

from nemo_curator.backends.ray_data.news import Desk, Ledger
from nemo_curator.backends.ray_data.orders import read_result

_ASK_EVERY = 0.2  # seconds between two looks at the news


def gather(
    rows: Generator[pa.Table, None, None], news: Desk, ledger: Ledger
) -> Generator[tuple[int, list[bytes]], None, None]:
    """The results of partitions, as they come; (index, results) of each.

    Args:
        rows: What the seats give.
        news: What they tell meanwhile.
        ledger: Who hears it.

    Raises:
        CuratorError: What ended a seat.
        Exception: What a callback raised.
    """
    with closing(rows), closing(Reporter(news, ledger)) as reporter:
        while (row := reporter.waiting(rows)) is not None:
            done = read_result(row)
            ledger.forget(done[0])
            yield done


class Reporter:
    """Asks for the news while the main thread waits.

    Args:
        news: Where they are.
        ledger: Told of them.
    """

    def __init__(self, news: Desk, ledger: Ledger) -> None:
        self._news = news
        self._ledger = ledger
        self._error: Exception | None = None
        self._over = threading.Event()
        self._turn = threading.Lock()
        self._turn.acquire()  # the main thread's, until it waits
        self._thread = threading.Thread(target=self._report, name="reporter", daemon=True)
        self._thread.start()

    def waiting(self, rows: Iterator[pa.Table]) -> pa.Table | None:
        """The next row, or None after the last one; all that was told before it came has been heard by then.

        Raises:
            Exception: What a callback raised.
        """
        self._turn.release()
        try:
            found = next(rows, None)
        finally:
            self._turn.acquire()
        self._hear()
        if self._error is not None:
            raise self._error
        return found

    def close(self) -> None:
        """Nobody waits any more."""
        self._over.set()
        self._turn.release()
        self._thread.join()

    def _report(self) -> None:
        while not self._over.wait(_ASK_EVERY):
            with self._turn:
                if not self._over.is_set():
                    self._hear()

    def _hear(self) -> None:
        """Take the news, by whoever has the turn."""
        try:
            self._ledger.enter(self._news.take())
        except Exception as error:  # noqa: BLE001 (the main thread raises it)
            self._error = self._error or error

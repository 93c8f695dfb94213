"""The driver's side of a run on a cluster: partitions go out and results come in, by Ray Data.

Threads: the main thread waits for results, and is the only one that gives them on. A second one, the reporter, asks for
the news meanwhile. Whoever calls back (progress, images that were given up) holds the turn; the main thread has it
whenever it is not waiting, so callbacks never run beside the code that uses the results.
"""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import pyarrow as pa

from nemo_curator.backends.ray_data.news import Ledger, News
from nemo_curator.backends.ray_data.orders import Orders, partition_row, read_result
from nemo_curator.backends.ray_data.seat import Seat
from nemo_curator.errors import StageError
from nemo_curator.planning.seats import Seats
from nemo_curator.tasks import Task

T = TypeVar("T")

_MOST = 10_000  # partitions that are handed to Ray Data at a time: each is an object in its store
_ASK_EVERY = 0.2  # seconds between two looks at the news


@contextmanager
def newsroom(ray: Any) -> Iterator[Any]:
    """The actor that takes the news, beside the driver, for as long as the block lasts."""
    here = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(
        ray.get_runtime_context().get_node_id(), soft=True
    )
    news = ray.remote(News).options(num_cpus=0, max_restarts=-1, scheduling_strategy=here).remote()
    try:
        yield news
    finally:
        with suppress(ray.exceptions.RayError):
            ray.kill(news)


def run(
    ray: Any,
    orders: Orders,
    seats: Seats,
    tasks: Sequence[Task[Any]],
    ledger: Ledger,
    runtime_env: dict[str, Any] | None,
) -> Generator[tuple[int, list[bytes]], None, None]:
    """Run all partitions, yielding (index, results) of each as it is done, in no particular order.

    Args:
        ray: The module, connected.
        orders: What each seat is told.
        seats: How many there are, and what they reserve.
        tasks: The partitions.
        ledger: Told of the news.
        runtime_env: Ray's own, for the seats.

    Raises:
        CuratorError: What ended a seat.
        StageError: Seats died again and again.
    """
    reporter = _Reporter(ray, orders.news, ledger)
    try:
        for first in range(0, len(tasks), _MOST):
            rows = [partition_row(first + at, task) for at, task in enumerate(tasks[first : first + _MOST])]
            batches = _results(ray, orders, seats, rows, runtime_env)
            try:
                while (row := reporter.waiting(batches)) is not None:
                    done = read_result(row)
                    ledger.forget(done[0])
                    yield done
            finally:
                batches.close()
    finally:
        reporter.close()


def _results(
    ray: Any, orders: Orders, seats: Seats, rows: list[pa.Table], runtime_env: dict[str, Any] | None
) -> Generator[pa.Table, None, None]:
    """What Ray Data makes of the rows; it starts the seats, and ends them.

    What died with a host, a seat or what was in work in it, Ray Data starts again elsewhere, by its own defaults.
    """
    data = ray.data
    context = data.DataContext.get_current().copy()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    context.execution_options.preserve_order = False
    with data.DataContext.current(context):
        dataset = data.from_arrow(rows).map_batches(
            Seat,
            fn_constructor_args=(orders,),
            batch_size=None,
            batch_format="pyarrow",
            zero_copy_batch=True,
            compute=data.ActorPoolStrategy(
                size=min(seats.count, len(rows)),
                max_tasks_in_flight_per_actor=seats.workers + 1,
                max_concurrent_calls_per_actor=seats.workers + 1,
                enable_true_multi_threading=True,
            ),
            num_cpus=seats.cpus,
            num_gpus=seats.gpus or None,
            runtime_env=runtime_env,
        )
        batches = dataset.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0)
    try:
        yield from batches
    except ray.exceptions.RayError as error:
        raise StageError(
            f"Ray gave up: {' '.join(f'{error}'.split())[:500]}",
            cause="no actor could be started, or the cluster is gone",
            act="look at `ray status` and Ray's logs, and run the same command again: it goes on where it stopped",
        ) from error


class _Reporter:
    """Asks for the news while the main thread waits.

    Args:
        ray: The module, connected.
        news: The actor.
        ledger: Told of them.
    """

    def __init__(self, ray: Any, news: Any, ledger: Ledger) -> None:
        self._ray = ray
        self._news = news
        self._ledger = ledger
        self._error: Exception | None = None
        self._over = threading.Event()
        self._turn = threading.Lock()
        self._turn.acquire()  # the main thread's, until it waits
        self._thread = threading.Thread(target=self._report, name="reporter", daemon=True)
        self._thread.start()

    def waiting(self, results: Iterator[T]) -> T | None:
        """The next result, or None after the last one; all that was told before it came has been heard by then.

        Raises:
            Exception: What a callback raised.
        """
        self._turn.release()
        try:
            found = next(results, None)
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
        with suppress(self._ray.exceptions.RayError):  # the next look finds them again
            events = self._ray.get(self._news.take.remote())
            try:
                self._ledger.enter(events)
            except Exception as error:  # noqa: BLE001 (the main thread raises it)
                self._error = self._error or error

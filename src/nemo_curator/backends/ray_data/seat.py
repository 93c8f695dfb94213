"""A seat on a host of the cluster: what Ray sees as one actor, with the workers of the local executor behind it.

Threads: Ray calls a seat from as many threads as it has workers, and one more so that the next partition waits here.
Each leaves its partition in the keeper's inbox and waits for the outcome. The keeper's thread owns the supervisor, its
processes and the outbox of news. When the actor is killed, the workers end by their lifeline, as after the death of
any supervisor.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import queue
import socket
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import Any

import cloudpickle
import pyarrow as pa

from nemo_curator import storage
from nemo_curator.backends.local.events import ProcessEvent, WorkerDied
from nemo_curator.backends.local.patience import Patience
from nemo_curator.backends.local.supervisor import Supervisor
from nemo_curator.backends.ray_data.news import Condemned, Event, Happened, Read
from nemo_curator.backends.ray_data.orders import Orders, failure_row, read_partition, result_row
from nemo_curator.errors import CuratorError, StageError
from nemo_curator.machine_memory import usable_memory
from nemo_curator.planning.means import Asked, Machine, plan_means
from nemo_curator.runs.fingerprints import changes
from nemo_curator.stages.fingerprint import stage_facts
from nemo_curator.stages.worker import POISON
from nemo_curator.tasks import Task

_SEATS = 10  # seats that a partition may cost; Ray itself would go on for ever
_TELL_EVERY = 0.25  # seconds between two calls for records that were read
_LEAVING = 15.0  # seconds that workers may take to tear down


class Seat:
    """Takes partitions, one a call, and gives what became of each.

    Args:
        orders: What to run, and how.
    """

    def __init__(self, orders: Orders) -> None:
        self._orders = orders
        storage.use(orders.storage)
        sys.path += [path for path in orders.sys_path if path not in sys.path]
        self._keeper = _Keeper(orders)

    def __call__(self, row: pa.Table) -> pa.Table:
        """Work on a partition, given and answered as `orders` says; what goes wrong is told to the driver as well."""
        index, task = read_partition(row)
        try:
            given = _Given(index, self._begun(index, task))
            self._keeper.give(given)
            return result_row(index, given.outcome.result())
        except Exception as error:  # noqa: BLE001 (the driver raises it, and ends the run)
            return failure_row(index, error)

    def __del__(self) -> None:
        """There is no more work: Ray lets go of the actor, and workers may tear down what they set up."""
        self.close()

    def close(self) -> None:
        """The same, once or more often."""
        self._keeper.leave()

    def _begun(self, index: int, task: Task[Any]) -> Task[Any]:
        """The task, without the images that cost two workers on a host that died since.

        Raises:
            StageError: It cost seat after seat.
        """
        before, known = self._orders.news.begin(index)
        if before >= _SEATS:
            raise StageError(
                f"task {task.task_id!r} cost {before} Ray actors in a row",
                cause="their hosts died, or Ray ended them for want of memory",
                act="look at `ray status`, give it less memory (--memory) or fewer workers, and run the same command "
                "again: it goes on where it stopped",
            )
        if not known:
            return task
        return replace(task, _metadata={**task._metadata, POISON: {**known, **task._metadata.get(POISON, {})}})


@dataclass(frozen=True, slots=True)
class _Given:
    """A partition in a seat.

    Attributes:
        index: Its index among those of the run.
        task: What it is.
        attempt: What tells this try from others, of which the driver hears too.
        outcome: What became of it, once it is known.
    """

    index: int
    task: Task[Any]
    attempt: str = field(default_factory=lambda: uuid.uuid4().hex)
    outcome: Future[list[bytes]] = field(default_factory=Future)


class _Keeper:
    """The thread that owns the supervisor of a seat.

    Args:
        orders: What to run, and how.
    """

    def __init__(self, orders: Orders) -> None:
        self._orders = orders
        self._inbox: queue.SimpleQueue[_Given] = queue.SimpleQueue()
        self._lock = threading.Lock()  # between an arrival and the end
        self._ended: Exception | None = None
        self._leaving = threading.Event()
        self._tickets = itertools.count()  # our own numbers: after a broken connection a partition may come twice
        self._open: dict[int, _Given] = {}
        self._outbox: list[Event] = []
        self._name = f"{socket.gethostname()}-{os.getpid()}-{id(self)}"
        self._told = time.monotonic()
        self._thread = threading.Thread(target=self._keep, name="keeper", daemon=True)
        self._thread.start()

    def give(self, given: _Given) -> None:
        """Leave a partition.

        Raises:
            Exception: What ended the keeper.
        """
        with self._lock:
            if self._ended is not None:
                raise self._ended
            self._inbox.put(given)

    def leave(self) -> None:
        """There will be no more."""
        self._leaving.set()
        self._thread.join(_LEAVING)

    def _keep(self) -> None:
        try:
            _check_witnesses(self._orders.witnesses)
            _check_computed(self._orders.computed)
            with contextlib.closing(self._supervisor().serve(self._arrivals())) as done:
                for ticket, results in done:
                    self._tell()
                    self._open.pop(ticket).outcome.set_result(results)
        except Exception as error:  # noqa: BLE001 (whoever waits, or comes later, gets it)
            self._end(error)
        else:
            self._end(StageError("this seat has no more workers"))

    def _end(self, error: Exception) -> None:
        with self._lock:
            self._ended = error
        self._arrived()
        for given in self._open.values():
            given.outcome.set_exception(error)

    def _supervisor(self) -> Supervisor:
        orders = self._orders
        machine = Machine(orders.workers, int(usable_memory() * orders.share))
        memory = None if orders.memory is None else int(orders.memory * orders.share)
        means = plan_means(cloudpickle.loads(orders.stages), orders.workers, machine, Asked(orders.workers, memory))
        patience = Patience(orders.image_seconds, orders.image_memory)
        return Supervisor(
            orders.stages, means, patience, self._read, self._condemned, orders.model_seconds, tell=self._happened
        )

    def _arrivals(self) -> Iterator[list[tuple[int, Task[Any]]]]:
        """What came since the last tick of the supervisor."""
        while not self._leaving.is_set():
            if self._outbox and time.monotonic() - self._told > _TELL_EVERY:
                self._tell()
            yield [(ticket, self._open[ticket].task) for ticket in self._arrived()]

    def _arrived(self) -> list[int]:
        tickets = []
        with contextlib.suppress(queue.Empty):
            while True:
                given = self._inbox.get_nowait()
                ticket = next(self._tickets)
                self._open[ticket] = given
                tickets.append(ticket)
        return tickets

    def _read(self, ticket: int, records: int) -> None:
        given = self._open[ticket]
        self._outbox.append(Read(given.index, given.attempt, records))

    def _condemned(self, ticket: int, image_id: str, why: str) -> None:
        self._outbox.append(Condemned(self._open[ticket].index, image_id, why))
        self._tell()

    def _happened(self, event: ProcessEvent) -> None:
        if isinstance(event, WorkerDied):  # they have the same names in every seat
            names = f"{self._name}/{event.worker}", f"{self._name}/{event.successor}"
            event = replace(event, worker=names[0], successor=names[1])
        self._outbox.append(Happened(self._name, event))

    def _tell(self) -> None:
        """Tell the news, and wait until they are heard: before a partition is done, all of it has been told."""
        events, self._outbox = self._outbox, []
        self._told = time.monotonic()
        if events:
            self._orders.news.tell(events)


def _check_witnesses(witnesses: tuple[str, ...]) -> None:
    """Refuse to work on a host that does not see what the driver sees: every file would seem to be missing.

    Raises:
        StageError: It does not.
    """
    for witness in witnesses:
        if not (storage.exists(witness) or storage.is_directory(witness)):
            raise StageError(
                f"the host {socket.gethostname()!r} of the cluster does not see this place, which the driver sees",
                where=witness,
                cause="it is on a disk of the driver's own",
                act="keep inputs and run directory on storage that all hosts share, or on object storage",
            )


def _check_computed(computed: bytes) -> None:
    """Refuse to work on a host whose scores would be other ones than the driver's and the other hosts'.

    Raises:
        StageError: A library, the kind of processor, weights or a stage's code differ.
    """
    for stage, options, facts in cloudpickle.loads(computed):
        try:
            here = stage_facts(stage, options)
        except CuratorError:
            continue  # weights that are not there yet: to set it up fetches them, or says what is wrong
        if here != facts:
            raise StageError(
                f"the host {socket.gethostname()!r} of the cluster would compute {stage.name!r} otherwise than the "
                f"driver: {'; '.join(changes(facts, here)[:3])}",
                cause="another release of a library, or another kind of processor",
                act="make the machines of the cluster alike, or run on those that are",
            )

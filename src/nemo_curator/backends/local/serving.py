"""Serving the workers of one host: every model is loaded once, and computes for whoever asks.

Threads: one a connection, which reads requests, and computes while it is its turn (`turns`). A model is loaded by the
first thread that asks for it, under the model's own lock, where the others wait. A connection's thread owns its socket
and the worker's memory, which it maps to read.
"""

from __future__ import annotations

import mmap
import select
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nemo_curator.backends.local.turns import Turnstile, pictures_a_turn
from nemo_curator.errors import ModelError
from nemo_curator.models.remote_memory import mapped
from nemo_curator.models.remote_wire import (
    Run,
    receive_open,
    receive_run,
    send_failure,
    send_ready,
    send_rows,
)
from nemo_curator.models.request import ModelRequest, Runnable, pace_of

Rows = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Served:
    """A loaded model.

    Attributes:
        model: The model.
        turn: Pictures of one turn.
        turnstile: Where one waits for a turn.
    """

    model: Runnable
    turn: int
    turnstile: Turnstile


class Models:
    """The models that were asked for, each loaded once.

    Those that compute on the CPU take turns with each other, because each of them uses all cores.

    Args:
        threads: Threads that a call of a model may use.
        loaded: Called after each model is loaded.
    """

    def __init__(self, threads: int, loaded: Callable[[], None] = lambda: None) -> None:
        self._threads = threads
        self._told = loaded
        self._lock = threading.Lock()
        self._loading: dict[ModelRequest, threading.Lock] = {}
        self._loaded: dict[ModelRequest, Served] = {}
        self._cpu = Turnstile()

    def get(self, request: ModelRequest) -> Served:
        """The model, loaded by the first who asks.

        Raises:
            Exception: Whatever loading it raises; the next who asks tries again.
        """
        with self._lock:
            own = self._loading.setdefault(request, threading.Lock())
        with own:
            if request not in self._loaded:
                self._loaded[request] = self._load(request)
                self._told()
            return self._loaded[request]

    def _load(self, request: ModelRequest) -> Served:
        model = request.model(self._threads)
        model.setup()
        pace = pace_of(model)
        turnstile = Turnstile(pace.lanes) if pace.lanes > 1 else self._cpu
        return Served(model, pictures_a_turn(self._threads, pace.batch), turnstile)


class InferenceServer:
    """Answers workers until the process ends.

    Args:
        threads: Threads that a call of a model may use.
        served: Called after each turn.
        loaded: Called after each model is loaded.
    """

    def __init__(
        self, threads: int, served: Callable[[], None] = lambda: None, loaded: Callable[[], None] = lambda: None
    ) -> None:
        self._models = Models(threads, loaded)
        self._served = served

    def serve(self, desk: socket.socket) -> None:
        """Take one connection after the other from the desk, where workers leave them, until it is shut."""
        while True:
            call, descriptors, _, _ = socket.recv_fds(desk, 1, 1)
            if not call:
                return
            for descriptor in descriptors:
                connection = socket.socket(fileno=descriptor)
                threading.Thread(target=self.converse, args=(connection,), daemon=True).start()

    def converse(self, connection: socket.socket) -> None:
        """Answer one worker, until it is gone."""
        with connection:
            try:
                served = self._opened(connection)
                memory: mmap.mmap | None = None
                while served is not None:
                    run = receive_run(connection)
                    memory = self._answer(connection, served, run, memory)
            except (EOFError, OSError):
                return  # that worker is gone; others are not concerned

    def _opened(self, connection: socket.socket) -> Served | None:
        try:
            served = self._models.get(receive_open(connection))
        except (EOFError, ConnectionError):
            raise
        except Exception as error:  # noqa: BLE001 (the worker raises it where the model was asked for)
            send_failure(connection, error)
            return None
        send_ready(connection)
        return served

    def _answer(
        self, connection: socket.socket, served: Served, run: Run, memory: mmap.mmap | None
    ) -> mmap.mmap | None:
        """Send the rows of a batch, or what went wrong; gives the memory that the next batch may lie in."""
        try:
            if run.memory is not None:
                memory = mapped(run.memory)
            given = run.given(memoryview(b"" if memory is None else memory))
            rows = list(self._computed(connection, served, given))
        except (EOFError, ConnectionError):
            raise
        except MemoryError as error:
            send_failure(connection, ModelError(f"there is no memory left to run the model: {error}"))
        except Exception as error:  # noqa: BLE001 (the worker raises it where the model was called)
            send_failure(connection, error)
        else:
            send_rows(connection, rows[0] if len(rows) == 1 else np.concatenate(rows))
        return memory

    def _computed(
        self, connection: socket.socket, served: Served, given: npt.NDArray[np.uint8] | list[str]
    ) -> Iterator[Rows]:
        """The rows of a batch, one turn after the other."""
        with served.turnstile.queued(len(given), served.turn) as batch:
            for start in range(0, max(1, len(given)), served.turn):
                with served.turnstile.turn(batch):
                    if _is_gone(connection):  # nobody wants the rest
                        raise EOFError
                    rows = served.model(given[start : start + served.turn])
                batch.left -= len(rows)
                self._served()
                yield rows


def _is_gone(connection: socket.socket) -> bool:
    """Whether a worker that waits for an answer, and says nothing before it, has hung up."""
    poll = select.poll()  # unlike select, it takes descriptors of any number
    poll.register(connection, select.POLLIN)
    return bool(poll.poll(0))

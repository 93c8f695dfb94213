"""The cluster that a run is on, as the driver uses it: hosts, an actor for the news, and seats by Ray Data.

Owned by the driver's main thread. A cluster that was started here ends with this process; until then the next run in
the same process uses it again.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from typing import Any, Protocol

import pyarrow as pa

from nemo_curator.backends.ray_data.news import Desk, News, RemoteNews
from nemo_curator.backends.ray_data.orders import Orders, partition_row
from nemo_curator.backends.ray_data.ray_module import ray_module, token_of_our_own
from nemo_curator.backends.ray_data.seat import Seat
from nemo_curator.cores import usable_cores
from nemo_curator.errors import StageError
from nemo_curator.planning.seats import Host, Seats
from nemo_curator.tasks import Task

_STORE = (
    256_000_000  # bytes of the object store of a cluster that is started here: it holds lists of files, and results
)
_REACHABLE = 10.0  # seconds that a cluster may take to answer
_STARTED = "start one with `ray start --head`, name its address with --ray-address, or run without --executor ray"
_LET_IN = (  # where somebody listens
    "see that the cluster there runs the same release of Ray, and that its token is known here too: in RAY_AUTH_TOKEN, "
    "or in ~/.ray/auth_token as on its head"
)
_MOST = 10_000  # partitions that are handed to Ray Data at a time: each is an object in its store


class Cluster(Protocol):
    """What the executor needs of a cluster."""

    def hosts(self) -> list[Host]:
        """Those that are alive."""

    def newsroom(self) -> Any:
        """A context with the desk where seats tell their news (`Desk`)."""

    def rows(
        self, orders: Orders, seats: Seats, tasks: Sequence[Task[Any]], runtime_env: Mapping[str, Any] | None
    ) -> Generator[pa.Table, None, None]:
        """What seats give for partitions, in any order."""


class RayCluster:
    """A cluster of Ray, which this process is connected to.

    Args:
        address: Of the cluster, as `host:port`, or `auto` for the one of this machine; by default what the environment
            variable `RAY_ADDRESS` says, else one is started on this machine.
        runtime_env: Ray's own: environment variables or packages of all that runs for this process.

    Raises:
        MissingExtraError: Ray is not installed.
        StageError: There is no cluster at that address.
    """

    def __init__(self, address: str | None = None, runtime_env: Mapping[str, Any] | None = None) -> None:
        self._ray = _joined(address, runtime_env)

    def hosts(self) -> list[Host]:
        """Those that are alive, with what they have to give away."""
        alive = (node["Resources"] for node in self._ray.nodes() if node["Alive"])
        return [Host(float(one.get("CPU", 0)), float(one.get("GPU", 0))) for one in alive]

    @contextmanager
    def newsroom(self) -> Iterator[Desk]:
        """An actor that keeps the news, beside the driver, for as long as the block lasts."""
        ray = self._ray
        here = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(
            ray.get_runtime_context().get_node_id(), soft=True
        )
        actor = ray.remote(News).options(num_cpus=0, max_restarts=-1, scheduling_strategy=here).remote()
        try:
            yield RemoteNews(actor)
        finally:
            with suppress(ray.exceptions.RayError):
                ray.kill(actor)

    def rows(
        self, orders: Orders, seats: Seats, tasks: Sequence[Task[Any]], runtime_env: Mapping[str, Any] | None
    ) -> Generator[pa.Table, None, None]:
        """What seats give for partitions, in any order.

        Args:
            orders: What each seat is told.
            seats: How many there are, and what they reserve.
            tasks: The partitions.
            runtime_env: Ray's own, for the seats.

        Raises:
            StageError: Ray gave up.
        """
        for first in range(0, len(tasks), _MOST):
            given = [partition_row(first + at, task) for at, task in enumerate(tasks[first : first + _MOST])]
            with closing(self._batches(orders, seats, given, runtime_env)) as batches:
                yield from batches

    def _batches(
        self, orders: Orders, seats: Seats, given: list[pa.Table], runtime_env: Mapping[str, Any] | None
    ) -> Generator[pa.Table, None, None]:
        """What Ray Data makes of the rows; it starts the seats, and ends them.

        What died with a host, a seat or what was in work in it, Ray Data starts again elsewhere, by its own defaults.
        """
        data = self._ray.data
        with _quietly(data.DataContext.get_current()):
            dataset = data.from_arrow(given).map_batches(
                Seat,
                fn_constructor_args=(orders,),
                batch_size=1,  # a row is a partition; with devices Ray Data wants a number
                batch_format="pyarrow",
                zero_copy_batch=True,
                compute=data.ActorPoolStrategy(
                    size=min(seats.count, len(given)),
                    max_tasks_in_flight_per_actor=seats.workers + 1,
                    max_concurrent_calls_per_actor=seats.workers + 1,
                    enable_true_multi_threading=True,
                ),
                num_cpus=seats.cpus,
                num_gpus=seats.gpus or None,
                runtime_env=None if runtime_env is None else dict(runtime_env),
            )
            batches = iter(dataset.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0))
        try:
            with closing(batches):
                yield from batches
        except self._ray.exceptions.RayError as error:
            raise StageError(
                f"Ray gave up: {' '.join(f'{error}'.split())[:500]}",
                cause="no actor could be started, or the cluster is gone",
                act="look at `ray status` and Ray's logs, and run the same command again: it goes on where it stopped",
            ) from error


@contextmanager
def _quietly(context: Any) -> Iterator[None]:
    """Ray Data's settings as we want them, while a data set is made, which keeps a copy; then as they were."""
    wanted = {"enable_progress_bars": False, "print_on_execution_start": False}
    before = {name: getattr(context, name) for name in wanted}
    ordered, context.execution_options.preserve_order = context.execution_options.preserve_order, False
    try:
        for name, value in wanted.items():
            setattr(context, name, value)
        yield
    finally:
        for name, value in before.items():
            setattr(context, name, value)
        context.execution_options.preserve_order = ordered


def _joined(address: str | None, runtime_env: Mapping[str, Any] | None) -> Any:
    """The module `ray`, connected to a cluster."""
    ray = ray_module()
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    if ray.is_initialized():
        return ray
    address = address or os.environ.get("RAY_ADDRESS")
    settings: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if runtime_env:
        settings["runtime_env"] = dict(runtime_env)
    if not address or address == "local":
        settings |= {"address": "local", "num_cpus": usable_cores(), "object_store_memory": _STORE}
        settings |= {"include_dashboard": False}
        token_of_our_own()
    else:
        settings |= {"address": address}
    listens = settings["address"] != "local" and check_reachable(settings["address"])
    try:
        with _signals_kept():
            ray.init(**settings)
    except (ConnectionError, OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        raise _no_cluster(address, error, act=_LET_IN if listens else _STARTED) from error
    return ray


def check_reachable(address: str) -> bool:
    """Say within seconds that nobody listens there, for which Ray takes minutes.

    Returns:
        Whether somebody does, as far as we can see: not of `auto`, nor of a form that Ray itself knows.

    Raises:
        StageError: Nobody does.
    """
    host, colon, port = address.rpartition("://")[2].rpartition(":")
    if not colon or not port.isdecimal():
        return False
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_REACHABLE).close()
    except (OSError, OverflowError) as error:
        raise _no_cluster(address, error) from error
    return True


def _no_cluster(address: str | None, error: Exception, act: str = _STARTED) -> StageError:
    return StageError(
        "no Ray cluster answers" if address else "no Ray cluster could be started on this machine",
        where=address or "",
        cause=" ".join(f"{error}".split())[:300],
        act=act,
    )


@contextmanager
def _signals_kept() -> Iterator[None]:
    """Ray takes SIGTERM for itself when it connects; whoever answers it now goes on to."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    if threading.current_thread() is threading.main_thread() and before is not None:
        signal.signal(signal.SIGTERM, before)

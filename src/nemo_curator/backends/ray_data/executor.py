"""The executor on Ray: the same stages, fused in the same chain, with the same workers, on the hosts of a cluster."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import closing
from importlib.util import find_spec
from typing import Any, ClassVar

import cloudpickle

from nemo_curator import storage
from nemo_curator.backends.local.events import ProcessEvent
from nemo_curator.backends.local.executor import LocalExecutor, _packed
from nemo_curator.backends.local.patience import Patience
from nemo_curator.backends.ray_data import driver
from nemo_curator.backends.ray_data.cluster import Cluster, RayCluster
from nemo_curator.backends.ray_data.news import Ledger
from nemo_curator.backends.ray_data.orders import Orders
from nemo_curator.errors import StageError
from nemo_curator.planning.means import Asked
from nemo_curator.planning.seats import demand, plan_seats
from nemo_curator.stages.base import ProcessingStage
from nemo_curator.stages.fingerprint import stage_facts
from nemo_curator.tasks import FileGroupTask, Record, Task

Stage = ProcessingStage[Any, Any]

# Settings that mean something to us; those of other engines, such as `ignore_failures` or `mode`, do not.
_KNOWN = (
    "num_workers",
    "image_seconds",
    "image_memory",
    "memory",
    "model_seconds",
    "ray_address",
    "runtime_env",
    "witnesses",
    "computed",
)


class RayDataExecutor(LocalExecutor):
    """Runs pipelines on a cluster of Ray, by Ray Data.

    A partition goes through all stages, fused, on one host. What an image may cost, what a dying worker costs, and
    every result are as with `LocalExecutor`; a host that dies costs the partitions that were in work on it, which
    others begin again. Where Ray is not installed, the pipeline runs on this machine without it, with one warning.

    Args:
        config: As for `LocalExecutor`, with `num_workers` for the whole cluster (all its cores by default; 0 runs in
            this process, without Ray) and `memory` for each host; and `ray_address` (the cluster; by default what
            `RAY_ADDRESS` says, else one is started on this machine), `runtime_env` (Ray's own), `witnesses` (places
            that every host must see, beside the inputs' roots) and `computed` (pairs of a stage and the
            `DecodeOptions` of its pixels, which every host must compute alike). Settings of other engines are left
            aside.
        progress: As for `LocalExecutor`; it and `on_condemned` are called from another thread while the caller waits
            for a result, and never otherwise.
        on_done: As for `LocalExecutor`.
        on_condemned: As for `LocalExecutor`.
        on_event: As for `LocalExecutor`, and called as `progress` is.
    """

    engine: ClassVar[str] = "Ray Data"
    own: ClassVar[bool] = True

    def __init__(
        self,
        config: Mapping[str, Any] | None = None,
        progress: Callable[[int, int], None] = lambda *_: None,
        on_done: Callable[[int, list[Task[Any]]], None] = lambda *_: None,
        on_condemned: Callable[[int, str, str], None] = lambda *_: None,
        on_event: Callable[[ProcessEvent], None] = lambda _: None,
        **_engine_settings: Any,
    ) -> None:
        given = dict(config or {})
        super().__init__(
            {name: given[name] for name in _KNOWN if name in given}, progress, on_done, on_condemned, None, on_event
        )
        self._there = self._installed()
        if not self._there:
            warnings.warn(
                f"{type(self).__name__}: Ray is not installed (pip install 'imagecurator[ray]'); the pipeline runs on "
                "the local executor, with the same results",
                stacklevel=2,
            )
        elif not self.own:
            warnings.warn(
                f"{type(self).__name__}: this release has no executor on {self.engine}; the pipeline runs on Ray Data, "
                "with the same results",
                stacklevel=2,
            )

    @staticmethod
    def _installed() -> bool:
        return find_spec("ray") is not None

    def _partitions(
        self, stages: list[Stage], tasks: list[Task[Any]], asked: Asked, patience: Patience, model_seconds: float
    ) -> Generator[tuple[int, list[Task[Any]], list[Record]], None, None]:
        if not self._there or asked.workers == 0:
            yield from super()._partitions(stages, tasks, asked, patience, model_seconds)
            return
        packed = _packed(stages)
        cluster = self._cluster()
        shared = any(stage.shared_models() for stage in stages)
        worker = demand([stage.resources for stage in stages])
        seats = plan_seats(cluster.hosts(), len(tasks), worker, workers=asked.workers, shared=shared)
        if seats is None:
            raise StageError("no host of the Ray cluster has a CPU to give", act="look at `ray status`")
        with cluster.newsroom() as news:
            orders = Orders(
                packed,
                tuple(sys.path),
                seats.workers,
                seats.share,
                asked.memory,
                patience.seconds,
                patience.memory,
                model_seconds,
                (*self.config.get("witnesses", ()), *_roots(tasks)),
                cloudpickle.dumps([(*one, stage_facts(*one)) for one in self.config.get("computed", ())]),
                news,
                storage.in_use(),
            )
            ledger = Ledger(self._progress, self._on_condemned, self._on_event)
            rows = cluster.rows(orders, seats, tasks, _runtime_env(stages))
            with closing(driver.gather(rows, news, ledger)) as partitions:
                for index, results in partitions:
                    done: list[Task[Any]] = []
                    records: list[Record] = []
                    for some, left in map(cloudpickle.loads, results):
                        done += some
                        records += left
                    yield index, done, records

    def _cluster(self) -> Cluster:
        """Where this runs; joined, or started, when it is first asked for."""
        return RayCluster(self.config.get("ray_address"), self.config.get("runtime_env"))


def _roots(tasks: Iterable[Task[Any]]) -> list[str]:
    """The places that the partitions lie in: few, and all of them known to the driver."""
    found: dict[str, None] = {}
    for task in tasks:
        if isinstance(task, FileGroupTask) and task.data:
            found[task._metadata.get("input_root") or ""] = None
    return [root for root in found if root]


def _runtime_env(stages: Sequence[Stage]) -> dict[str, Any] | None:
    """The runtime environments that stages ask Ray for, put together."""
    together: dict[str, Any] = {}
    for stage in stages:
        together |= stage.get_config()["runtime_env"] or {}
    return together or None

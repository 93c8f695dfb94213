"""How the workers of a run are seated on the hosts of a cluster: arithmetic, and nothing else.

A seat is what a cluster's scheduler sees of us: one actor, with as many cores as it has workers. It has one supervisor,
and one inference process if a stage wants one, so seats are as large as fits every host.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nemo_curator.stages.resources import Resources


@dataclass(frozen=True, slots=True)
class Host:
    """What a cluster's scheduler says of a host.

    Attributes:
        cpus: Cores that may be given away, used or not.
        gpus: GPUs.
    """

    cpus: float
    gpus: float = 0.0


@dataclass(frozen=True, slots=True)
class Seats:
    """Seats, all alike.

    Attributes:
        count: How many; never more than there is room for at once, so that none waits for another.
        workers: Worker processes of each.
        cpus: Cores that each reserves.
        gpus: GPUs that each reserves.
        share: Part of its host that a seat is, 0 to 1: of memory it may take that much.
    """

    count: int
    workers: int
    cpus: int
    gpus: float
    share: float


def demand(resources: Sequence[Resources]) -> Resources:
    """What a worker needs that goes through all stages: the most that any of them asks for, since they take turns.

    GPU memory is asked for where a GPU is shared; nobody knows here how much a GPU has, so it counts as a whole one.
    """
    gpus = max((1.0 if one.gpu_memory_gb > 0 else one.gpus for one in resources), default=0.0)
    return Resources(cpus=max((one.cpus for one in resources), default=1.0), gpus=gpus)


def plan_seats(
    hosts: Sequence[Host],
    partitions: int,
    worker: Resources,
    *,
    workers: int | None = None,
    shared: bool = False,
) -> Seats | None:
    """Decide how many seats there are, and how large.

    A worker that wants more than any host has gets what there is: it would wait for ever otherwise.

    Args:
        hosts: The cluster.
        partitions: Partitions that there are to work on, at least 1.
        worker: What one worker needs (`demand`).
        workers: Workers in all, at most; None leaves it to us.
        shared: Whether the GPU is that of an inference process, of which a seat has one.

    Returns:
        None where no host has a core.
    """
    able = [host for host in hosts if host.cpus >= 1]
    gpus = worker.gpus if any(host.gpus >= worker.gpus for host in able) else 0.0
    able = [host for host in able if host.gpus >= gpus]
    if not able:
        return None
    cpus = int(max(1.0, min(worker.cpus, *(host.cpus for host in able))))  # of one worker
    each = min(int(host.cpus // cpus) for host in able)
    if gpus and not shared:
        each = max(1, min(each, *(int(host.gpus / gpus) for host in able)))
    taken = gpus * (1 if shared else each)
    room = sum(_fit(host, each * cpus, taken) for host in able)
    wanted = min(partitions, room * each, room * each if workers is None else max(1, workers))
    count = min(room, wanted)
    each = -(-wanted // count)
    count = -(-wanted // each)
    smallest = min(host.cpus for host in able)
    return Seats(count, each, each * cpus, gpus * (1 if shared else each), min(1.0, each * cpus / smallest))


def _fit(host: Host, cpus: int, gpus: float) -> int:
    """Seats that a host has room for."""
    fit = int(host.cpus // cpus)
    return min(fit, int(host.gpus / gpus)) if gpus else fit

"""What a run uses of its machine: processes, threads, memory; from its stages, the machine and what the user said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from nemo_curator.codecs.limits import DEFAULT_LIMITS, Limits
from nemo_curator.planning.memory import MOST_BATCH, MemoryNeeds, MemoryPlan, least_budget, plan_memory
from nemo_curator.planning.shares import Shares, share_out
from nemo_curator.shards.limits import SAMPLE_FACTOR
from nemo_curator.stages.base import ProcessingStage
from nemo_curator.stages.image.io.image_reader import ImageReaderStage

# measured with `benchmarks/memory_budget.py` and `run_memory.py`, and rounded up
_COMMAND = 200_000_000
_WORKER = 110_000_000
_JOURNAL = 1 << 24  # of the command, for each partition that a worker is at (`backends.local.assignment`)
_INFERENCE = 120_000_000

LOCAL = "local"
"""The executor that works on this machine."""

_SHARE = 0.8  # of the machine's memory, where nobody names a budget

Stage = ProcessingStage[Any, Any]


@dataclass(frozen=True, slots=True)
class Machine:
    """What there is.

    Attributes:
        cores: CPU cores that the run may use.
        memory: Bytes of memory that it may use.
    """

    cores: int
    memory: int


@dataclass(frozen=True, slots=True)
class Asked:
    """What the user said.

    Attributes:
        workers: Worker processes, 0 for none; None leaves it to us.
        memory: Bytes that all processes may take together; None leaves it to us.
        executor: Where partitions are worked on: `local`, or `ray`.
        address: Of the cluster, if there is one to join.
    """

    workers: int | None = None
    memory: int | None = None
    executor: str = LOCAL
    address: str | None = None

    @property
    def here(self) -> Asked:
        """The same for what this machine works on alone, wherever the rest is: workers of a cluster are not here."""
        return Asked(self.workers if self.executor == LOCAL or self.workers == 0 else None, self.memory)

    @property
    def config(self) -> dict[str, int | None]:
        """The same as settings of an executor."""
        return {"num_workers": self.workers, "memory": self.memory}


NOTHING = Asked()


@dataclass(frozen=True, slots=True)
class Means:
    """What a run uses.

    Attributes:
        shares: Processes and threads.
        memory: Who may take what.
        wanted: Workers that there would be with memory enough.
    """

    shares: Shares
    memory: MemoryPlan
    wanted: int


def plan_means(stages: Sequence[Stage], partitions: int, machine: Machine, asked: Asked) -> Means:
    """Decide what a run uses.

    Without a budget of the user's it is a share of the machine's memory, and then no run is refused: on a machine that
    is too small for it, there is one worker.

    Args:
        stages: What each partition goes through.
        partitions: Partitions that there are to work on.
        machine: What there is.
        asked: What the user said.

    Raises:
        MemoryBudgetError: The user's budget is too small for this run.
    """
    needs = memory_needs(stages)
    shared = any(stage.shared_models() for stage in stages)
    shares = share_out(machine.cores, partitions, asked.workers, shared=shared)
    budget = asked.memory
    if budget is None:
        budget = max(int(_SHARE * machine.memory), least_budget(needs))
    memory = plan_memory(budget, needs, shares.workers)
    if asked.memory is None:  # how images are put into batches depends on no machine
        memory = replace(memory, batch=MOST_BATCH)
    return Means(replace(shares, workers=min(shares.workers, memory.workers)), memory, shares.workers)


def memory_needs(stages: Sequence[Stage]) -> MemoryNeeds:
    """What the processes that run some stages take at most, without what images take."""
    held: dict[Any, int] = {}
    worker = _WORKER + _JOURNAL
    for stage in stages:
        models = tuple(stage.shared_models())
        if models:
            held[models] = stage.model_bytes()
        else:
            worker += stage.model_bytes()
    return MemoryNeeds(
        command=_COMMAND,
        worker=worker,
        inference=_INFERENCE + sum(held.values()) if held else 0,
        image=image_bytes(_limits(stages)),
    )


def image_bytes(limits: Limits) -> int:
    """Bytes that one image takes at most while it is read: the files of its sample, and decoding."""
    return limits.memory + SAMPLE_FACTOR * limits.bytes


def _limits(stages: Sequence[Stage]) -> Limits:
    return next((stage.limits for stage in stages if isinstance(stage, ImageReaderStage)), DEFAULT_LIMITS)

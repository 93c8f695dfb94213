"""What the supervisor and its workers say to each other, over one socket a worker.

Everything is pickled, between two processes of one program that trust each other; what belongs to users (stages,
tasks, records, errors) travels by cloudpickle inside, so that what is defined in a notebook or a script arrives.
Weights never travel: a stage loads its model in `setup`.

    supervisor  Start            Go          Work      …      Stop
    worker            [NodeReady]   … Ready      Progress … Done
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from nemo_curator.tasks import Task


@dataclass(slots=True)
class Start:
    """Supervisor → worker, once: what to run. `stages` is a cloudpickle, read after `sys_path` is in place."""

    worker_id: str
    sys_path: list[str]
    stages: bytes
    on_node: bool


@dataclass(slots=True)
class NodeReady:
    """Worker → supervisor, from the one that was told `on_node`: the host is prepared for all workers."""


@dataclass(slots=True)
class Go:
    """Supervisor → worker: the host is prepared, the stages may be set up."""


@dataclass(slots=True)
class Work:
    """Supervisor → worker: one partition, by its index among the initial tasks; `careful` as in `StageChain`."""

    index: int
    task: bytes
    careful: bool = False


@dataclass(slots=True)
class Stop:
    """Supervisor → worker: no more work; tear down and leave."""


@dataclass(slots=True)
class Ready:
    """Worker → supervisor: all stages are set up."""


@dataclass(slots=True)
class Progress:
    """Worker → supervisor: so many more records of a partition are through the reader."""

    index: int
    records: int


@dataclass(slots=True)
class Done:
    """Worker → supervisor: a partition is through; `result` is a cloudpickle of (tasks, records that none carries)."""

    index: int
    result: bytes


@dataclass(slots=True)
class Failed:
    """Worker → supervisor: setting up, or a partition, raised something that ends the run; `error` is a cloudpickle."""

    index: int | None
    error: bytes


@dataclass(slots=True)
class Assignment:
    """The supervisor's own note of a partition.

    Attributes:
        index: Its index among the initial tasks.
        task: The task.
        deaths: The image, or "", that each worker it cost was working on.
        read: Records read in the present try.
        reported: Records that the caller was told of; a later try starts over, the caller's count does not.
    """

    index: int
    task: Task[Any]
    deaths: list[str] = field(default_factory=list)
    read: int = 0
    reported: int = 0

    @property
    def careful(self) -> bool:
        """Whether a worker died of it and nobody knows on which image."""
        return "" in self.deaths

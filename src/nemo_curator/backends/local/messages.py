"""What the supervisor and its workers say to each other, over one socket a worker.

Everything is pickled, between two processes of one program that trust each other; what belongs to users (stages,
tasks, records, errors) travels by cloudpickle inside, so that what is defined in a notebook or a script arrives.
Weights never travel: a stage loads its model in `setup`, or lets the inference process load it (`models.remote`).

    supervisor  Start            Go          Work                     …      Stop
    worker            [NodeReady]   … Ready      Progress … Through … Done

While it is at work, a worker may say `Ask`, waits for `Granted`, and says `GiveBack` later.

The inference process says two things to the supervisor, a byte each: that it, or a model in it, begins (`BEGUN`), and
that a turn is computed (`SERVED`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nemo_curator.planning.memory import MemoryPlan

BEGUN, SERVED = b"+", b"."


@dataclass(slots=True)
class Start:
    """Supervisor → worker, once: what to run.

    `stages` is a cloudpickle, read after `sys_path` is in place; `inference` as in `WorkerMetadata`; `memory` is what
    the plan says of every worker; `storage` is how places elsewhere are reached (`storage.use`).
    """

    worker_id: str
    sys_path: list[str]
    stages: bytes
    on_node: bool
    memory: MemoryPlan
    inference: str = ""
    storage: dict[str, dict[str, Any]] = field(default_factory=dict)


@dataclass(slots=True)
class NodeReady:
    """Worker → supervisor, from the one that was told `on_node`: the host is prepared for all workers."""


@dataclass(slots=True)
class Go:
    """Supervisor → worker: the host is prepared, the stages may be set up."""


@dataclass(slots=True)
class Work:
    """Supervisor → worker: one partition, by its index among the initial tasks; `careful` as in `StageChain`.

    Attributes:
        index: The index.
        task: A cloudpickle of the task.
        careful: As in `StageChain`, for the first batch (for the whole partition where it cannot be resumed).
        records: Input records that are through already.
        batches: Batches that are through already.
        saved: A cloudpickle for each of them of what the stages that gather had gathered of it.
        died: Whether it cost a worker already, so that every image gets all the memory that it may take.
        following: The first files of the partition that is next in the queue, whoever will get it.
    """

    index: int
    task: bytes
    careful: bool = False
    records: int = 0
    batches: int = 0
    saved: list[bytes] = field(default_factory=list)
    died: bool = False
    following: list[str] = field(default_factory=list)


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
class Through:
    """Worker → supervisor: one more batch of a partition is through all stages, and need not be worked on again.

    Attributes:
        index: The partition.
        records: Input records of the batch.
        result: A cloudpickle of (tasks, records that none carries).
        saved: A cloudpickle of what the stages that gather have gathered of it.
        seconds: Stage to what its calls took since the worker last said so.
    """

    index: int
    records: int
    result: bytes
    saved: bytes
    seconds: Mapping[str, float] = field(default_factory=dict)


@dataclass(slots=True)
class Done:
    """Worker → supervisor: a partition is through.

    Attributes:
        index: The partition.
        result: As in `Through`, for what came after the last one.
        seconds: As in `Through`.
    """

    index: int
    result: bytes
    seconds: Mapping[str, float] = field(default_factory=dict)


@dataclass(slots=True)
class Ask:
    """Worker → supervisor: so many bytes of the shared memory for one image are wanted; it waits."""

    size: int


@dataclass(slots=True)
class Granted:
    """Supervisor → worker: it has them."""


@dataclass(slots=True)
class GiveBack:
    """Worker → supervisor: it needs them no more."""


@dataclass(slots=True)
class Failed:
    """Worker → supervisor: setting up, or a partition, raised something that ends the run; `error` is a cloudpickle."""

    index: int | None
    error: bytes

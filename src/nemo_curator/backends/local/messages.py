"""What the supervisor and its workers say to each other, over one socket a worker.

Everything is pickled, between two processes of one program that trust each other; stages travel by cloudpickle so
that those defined in a notebook or a script arrive. Weights never travel: a stage loads its model in `setup`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from nemo_curator.tasks import Record, Task


@dataclass(slots=True)
class Start:
    """Supervisor → worker, once: what to run. `stages` is a cloudpickle, read after `sys_path` is in place."""

    worker_id: str
    sys_path: list[str]
    stages: bytes
    on_node: bool


@dataclass(slots=True)
class Work:
    """Supervisor → worker: one partition, by its index among the initial tasks."""

    index: int
    task: bytes


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
    """Worker → supervisor: a partition is through; `tasks` is a cloudpickle of what came out."""

    index: int
    tasks: bytes
    records: list[Record] = field(default_factory=list)


@dataclass(slots=True)
class Failed:
    """Worker → supervisor: setting up, or a partition, raised something that ends the run."""

    index: int | None
    error: Exception


@dataclass(slots=True)
class Assignment:
    """The supervisor's own note of a partition: how often it cost a worker, and on which images."""

    index: int
    task: Task[Any]
    deaths: list[str] = field(default_factory=list)

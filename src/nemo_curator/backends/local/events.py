"""What happens to the processes of a run, for whoever watches it: plain values, a batch or a second apart at least."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pulse:
    """A sign of life, about once a second while partitions are worked on.

    Attributes:
        workers: Worker processes that are alive; 0 where the work is done in the command's own process.
        memory: Bytes of memory that all processes of the run have, pages that they share counted once.
    """

    workers: int
    memory: int


@dataclass(frozen=True, slots=True)
class StagesTook:
    """Stages have worked on a batch or so.

    Attributes:
        seconds: Stage to the seconds that its calls took since the last time, in the worker that tells.
    """

    seconds: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class WorkerDied:
    """A worker process is dead, and another one stands in its place.

    Attributes:
        worker: Its name.
        how: How it ended, in words that go on from "the worker".
        image: Id of the image that it was working on; "" where none was.
        successor: Name of the worker that was started.
    """

    worker: str
    how: str
    image: str
    successor: str


@dataclass(frozen=True, slots=True)
class ModelsDied:
    """The process that runs the models is dead, and was started again.

    Attributes:
        how: How it ended, in words that go on from "the process".
    """

    how: str


@dataclass(frozen=True, slots=True)
class ClusterSilent:
    """The cluster that a run is on does not answer, perhaps because its head is gone.

    Attributes:
        seconds: How long an answer was waited for.
    """

    seconds: float


ProcessEvent = Pulse | StagesTook | WorkerDied | ModelsDied | ClusterSilent

"""What a stage is told about where it runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


def _nobody_watches(_: str) -> None:
    """The watcher of a worker that has no supervisor."""


@dataclass
class NodeInfo:
    """The host.

    Attributes:
        node_id: Its name among the hosts of a run.
    """

    node_id: str = ""


@dataclass
class WorkerMetadata:
    """The worker process.

    Attributes:
        worker_id: Its name among the workers of a run.
        allocation: What the executor reserved for it, in the executor's own words.
        watch: Called with an image id before anything that might kill the process is done to that image, and with
            "" when the danger is over, so that a supervisor knows which image a worker died on.
    """

    worker_id: str = ""
    allocation: Any = None
    watch: Callable[[str], None] = field(default=_nobody_watches, repr=False, compare=False)

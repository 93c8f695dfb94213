"""The client that tutorials start before a pipeline and stop after it."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self


class RayClient:
    """Starts and stops a cluster for executors that need one; the local executor needs none, so nothing happens.

    Args:
        settings: Cluster settings of the original (`num_cpus`, `num_gpus`, ports, …); accepted and kept.
    """

    def __init__(self, **settings: Any) -> None:
        self.settings = settings
        self.started = False

    def start(self) -> None:
        """Note that it was started."""
        self.started = True

    def stop(self) -> None:
        """Note that it was stopped."""
        self.started = False

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

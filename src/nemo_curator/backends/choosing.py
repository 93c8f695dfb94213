"""Executors by the names that users say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from nemo_curator.backends.base import BaseExecutor
from nemo_curator.backends.local import LocalExecutor
from nemo_curator.backends.local.crew import Crew
from nemo_curator.backends.local.events import ProcessEvent
from nemo_curator.planning.means import LOCAL, Asked
from nemo_curator.tasks import Task

RAY = "ray"
"""The executor on a cluster of Ray."""

EXECUTORS = (LOCAL, RAY)


def check_executor(asked: Asked) -> None:
    """Find out before a run begins that it could not.

    Args:
        asked: What the user said.

    Raises:
        ValueError: There is no executor of that name, or it needs no address.
        MissingExtraError: Its package is not installed.
    """
    if asked.executor not in EXECUTORS:
        raise ValueError(f"there is no executor {asked.executor!r}; there are {', '.join(EXECUTORS)}")
    if asked.executor == RAY:
        from nemo_curator.backends.ray_data.ray_module import ray_module  # noqa: PLC0415 (of no use to a local run)

        ray_module()
    elif asked.address is not None:
        raise ValueError("an address is that of a Ray cluster; the local executor has none")


def executor_for(
    asked: Asked,
    config: Mapping[str, Any],
    progress: Callable[[int, int], None],
    on_done: Callable[[int, list[Task[Any]]], None],
    on_condemned: Callable[[int, str, str], None],
    on_event: Callable[[ProcessEvent], None] = lambda _: None,
    crew: Crew | None = None,
) -> BaseExecutor:
    """The executor that the user asked for.

    Args:
        asked: What the user said.
        config: Its settings.
        progress: As for `LocalExecutor`.
        on_done: As for `LocalExecutor`.
        on_condemned: As for `LocalExecutor`.
        on_event: As for `LocalExecutor`.
        crew: As for `LocalExecutor`; seats have their own.
    """
    if asked.executor == LOCAL:
        return LocalExecutor(config, progress, on_done, on_condemned, crew, on_event)
    from nemo_curator.backends.ray_data import RayDataExecutor  # noqa: PLC0415 (of no use to a local run)

    return RayDataExecutor({**config, "ray_address": asked.address}, progress, on_done, on_condemned, on_event)

"""The base of everything that flows between stages."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from nemo_curator.tasks.perf import StagePerfStats

T = TypeVar("T")


@dataclass
class Task(ABC, Generic[T]):
    """A unit of data on its way through a pipeline.

    Attributes:
        dataset_name: Name of the data set that the task belongs to.
        data: The payload.
        task_id: Its id; the runner assigns a deterministic one where it is empty.
    """

    dataset_name: str = ""
    data: T = None  # type: ignore[assignment]  # every concrete task gives its payload a real default
    _stage_perf: list[StagePerfStats] = field(default_factory=list)
    _metadata: dict[str, Any] = field(default_factory=dict)
    task_id: str = ""

    @property
    @abstractmethod
    def num_items(self) -> int:
        """Number of items in the payload."""

    @abstractmethod
    def validate(self) -> bool:
        """Whether the payload is of the kind that this task promises."""

    def add_stage_perf(self, perf: StagePerfStats) -> None:
        """Append what a stage cost this task."""
        self._stage_perf.append(perf)

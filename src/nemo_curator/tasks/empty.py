"""The task that starts a pipeline whose first stage makes its own data."""

from __future__ import annotations

from dataclasses import dataclass

from nemo_curator.tasks.task import Task


@dataclass
class EmptyTask(Task[None]):
    """A task without a payload. An executor accepts the class itself where an instance is meant."""

    dataset_name: str = "empty"
    task_id: str = "empty"

    @property
    def num_items(self) -> int:
        """Always 0."""
        return 0

    def validate(self) -> bool:
        """Always True: there is nothing that could be wrong."""
        return True

"""What a workflow gives back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from nemo_curator.tasks import Task


@dataclass
class WorkflowRunResult:
    """What the pipelines of a workflow gave, and figures about the run.

    Attributes:
        workflow_name: The workflow.
        pipeline_tasks: The resulting tasks of each of its pipelines, by name.
        metadata: Timings in seconds, counts, and places, by name.
    """

    workflow_name: str
    pipeline_tasks: dict[str, list[Task[Any]]] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)

    def add_pipeline_tasks(self, pipeline_name: str, tasks: list[Task[Any]]) -> None:
        """Note what a pipeline gave."""
        self.pipeline_tasks[pipeline_name] = list(tasks)

    def add_metadata(self, key: str, value: Any) -> None:
        """Note a figure."""
        self.metadata[key] = value

    def extend_metadata(self, updates: dict[str, Any]) -> None:
        """Note several figures."""
        self.metadata.update(updates)

    def get_metadata(self, key: str, default: Any = None) -> Any:
        """A figure, or the default where there is none of that name."""
        return self.metadata.get(key, default)

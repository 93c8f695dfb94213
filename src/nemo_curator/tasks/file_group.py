"""A partition: the files that one unit of work reads."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from nemo_curator.tasks.task import Task


@dataclass
class FileGroupTask(Task[list[str]]):
    """A group of files, by path or URL.

    Attributes:
        data: Paths or URLs, in source order.
        reader_config: Options for the reader that will open them.

    `_metadata` carries `input_root` (the input argument that the paths lie under; "" where each file is its own
    root), `input_name` (its prefix for ids, where several inputs were given) and `sidecars` (path of a loose
    image to the paths of its sidecars).
    """

    data: list[str] = field(default_factory=list)
    reader_config: dict[str, Any] = field(default_factory=dict)

    @property
    def num_items(self) -> int:
        """Number of files."""
        return len(self.data)

    def validate(self) -> bool:
        """Whether there is at least one file and every one is a non-empty path."""
        return bool(self.data) and all(isinstance(path, str) and path for path in self.data)

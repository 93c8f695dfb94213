"""Which partition a task is, and whether it is still what it was."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nemo_curator import storage
from nemo_curator.errors import CuratorError, StageError
from nemo_curator.pipeline.checkpointing.description import described, digest
from nemo_curator.pipeline.checkpointing.opaque import OpaqueError, kind_of
from nemo_curator.tasks import FileGroupTask, Task


@dataclass(frozen=True, slots=True)
class Identity:
    """A partition, as later runs know it.

    Attributes:
        key: Which partition it is: from its `partition_id` where it is a group of files that has one, else from its
            class and data. Equal tasks are told apart by their number.
        state: Digest of all that is in the task besides id and timings, and of the size and version of each file that
            it names. Another state is another input.
        task_id: The task's id, which the ids of its results continue.
    """

    key: str
    state: str
    task_id: str


def identities(tasks: Sequence[Task[Any]]) -> list[Identity]:
    """The identity of each task, before any stage gets it.

    Raises:
        StageError: A task holds something of which nothing can be said that holds in another process.
    """
    seen: Counter[str] = Counter()
    found = []
    for task in tasks:
        try:
            name, state = _name_of(task), _state_of(task)
        except OpaqueError as error:
            raise StageError(
                f"task {task.task_id!r} cannot be found again by a checkpoint: it holds a {error.kind}",
                where=f"{type(task).__qualname__}{error.path}",
                act="leave that out of the task, or run without checkpoint_path",
            ) from error
        key = digest([name, seen[name]])
        seen[name] += 1
        found.append(Identity(key, state, task.task_id))
    return found


def witnesses(tasks: Sequence[Task[Any]]) -> dict[str, int]:
    """Size of each file that groups of files name and that is there: a result that lost one is not complete."""
    paths = {path for task in tasks if isinstance(task, FileGroupTask) for path in task.data}
    sizes = {path: _file(path) for path in paths if isinstance(path, str)}
    return {path: file[0] for path, file in sizes.items() if file is not None}


def missing_witness(sizes: Mapping[str, int]) -> str:
    """The first file that is gone, or of another size; "" where all are there."""
    for path in sorted(sizes):
        file = _file(path)
        if file is None or file[0] != sizes[path]:
            return path
    return ""


def _name_of(task: Task[Any]) -> str:
    if isinstance(task, FileGroupTask) and isinstance(task._metadata.get("partition_id"), str):
        return digest([kind_of(task), task._metadata["partition_id"]])
    return digest([kind_of(task), described(task.data)])


def _state_of(task: Task[Any]) -> str:
    facts = {name: value for name, value in vars(task).items() if name not in {"task_id", "_stage_perf"}}
    files = [_file(path) for path in _paths(task)] if isinstance(task, FileGroupTask) else []
    return digest([described(facts), files])


def _paths(task: FileGroupTask) -> list[str]:
    """The files that a group names, and their sidecars."""
    sidecars = task._metadata.get("sidecars")
    beside = sidecars.values() if isinstance(sidecars, Mapping) else ()
    return [path for path in [*task.data, *(path for paths in beside for path in paths)] if isinstance(path, str)]


def _file(path: str) -> tuple[int, str] | None:
    """(bytes, version) of a file; None where there is none, or nobody can tell."""
    try:
        stored = storage.stat(path)
    except (OSError, ValueError, CuratorError):
        return None
    return stored.size, stored.version

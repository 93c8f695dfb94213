"""What the driver of a run and its seats say to each other.

    driver ── orders, once a seat ──▶ seat          Ray Data: arguments of the actor
    driver ── a partition a row ────▶ seat          Ray Data: a block of one row (`partition_row`)
    seat ──── its results ──────────▶ driver        Ray Data: a block of one row (`result_row`)
    seat ──── what happens ─────────▶ driver        the news (`news`)

Rows hold cloudpickles; they are made and read by two processes of one program that trust each other. No pixel is in
them, unless the last stage of a pipeline gives pixels.
"""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import cloudpickle
import pyarrow as pa

from nemo_curator.backends.ray_data.news import Desk
from nemo_curator.errors import CuratorError, StageError
from nemo_curator.tasks import Task


@dataclass(frozen=True, slots=True)
class Orders:
    """What a seat is told when it starts.

    Attributes:
        stages: A cloudpickle of the stages, not yet set up.
        sys_path: Where the driver finds modules: a seat looks there last.
        workers: Worker processes.
        share: Part of its host that the seat is, 0 to 1.
        memory: Bytes that all of our processes on a host may take together; None for a share of what it has.
        image_seconds: Time that one image may take.
        image_memory: Bytes that one image may take.
        model_seconds: Time that the inference process may give nothing.
        witnesses: Files and folders that every host must see.
        computed: A cloudpickle of (stage, how pixels are made for it, what its results depend on by the driver's
            account) for each stage that every host must compute alike.
        news: Where it tells what happens.
        storage: How places elsewhere are reached (`storage.use`).
    """

    stages: bytes
    sys_path: tuple[str, ...]
    workers: int
    share: float
    memory: int | None
    image_seconds: float
    image_memory: int
    model_seconds: float
    witnesses: tuple[str, ...]
    computed: bytes
    news: Desk
    storage: dict[str, dict[str, Any]] = field(default_factory=dict)


# large ones: a pipeline may end with pixels
_BYTES: pa.DataType = pa.large_binary()
_INDEX: pa.Field[Any] = pa.field("index", pa.int64())
_TASK: pa.Field[Any] = pa.field("task", _BYTES)
_ERROR: pa.Field[Any] = pa.field("error", _BYTES)
_RESULTS: pa.Field[Any] = pa.field("results", pa.large_list(_BYTES))
_GIVEN = pa.schema([_INDEX, _TASK])
_RESULT = pa.schema([_INDEX, _ERROR, _RESULTS])


def partition_row(index: int, task: Task[Any]) -> pa.Table:
    """A partition as it is sent."""
    return pa.table({"index": [index], "task": [cloudpickle.dumps(task)]}, schema=_GIVEN)


def read_partition(row: pa.Table) -> tuple[int, Task[Any]]:
    """The same, where it is worked on."""
    task: Task[Any] = cloudpickle.loads(row["task"][0].as_py())
    return row["index"][0].as_py(), task


def result_row(index: int, results: Sequence[bytes]) -> pa.Table:
    """What became of a partition: each a cloudpickle of (tasks, records that none carries), in order."""
    return pa.table({"index": [index], "error": [None], "results": [list(results)]}, schema=_RESULT)


def failure_row(index: int, error: Exception) -> pa.Table:
    """What ended the seat that had a partition."""
    return pa.table({"index": [index], "error": [_packed(error)], "results": [[]]}, schema=_RESULT)


def read_result(row: pa.Table) -> tuple[int, list[bytes]]:
    """What became of a partition.

    Raises:
        CuratorError: What ended its seat.
    """
    error = row["error"][0].as_py()
    if error is not None:
        found: CuratorError = cloudpickle.loads(error)
        raise found
    return row["index"][0].as_py(), row["results"][0].as_py()


def _packed(error: Exception) -> bytes:
    """An error of ours as it is, another one in words."""
    if not isinstance(error, CuratorError):
        told = StageError(f"{type(error).__name__}: {error}", act="the traceback below tells where")
        told.add_note("".join(traceback.format_exception(error)).rstrip())
        error = told
    return bytes(cloudpickle.dumps(error))

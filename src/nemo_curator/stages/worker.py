"""What a stage is told about where it runs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from nemo_curator.shards.ahead import ReadAhead

POISON = "poison"
"""Key in a task's `_metadata`: image id to why no stage may touch that image, because it cost two workers; the id ""
stands for all images of the task."""

PASSED = "passed"
"""Key in a task's `_metadata`: how many of its first records a reader passes over, because they are through already."""

MOST = "most"
"""Key in a task's `_metadata`: how many samples of each of its files are read at most."""

BATCH_BYTES = 1 << 28
"""Bytes that the images of a batch may take by default, so that a hundred large pictures do not travel at once."""

_LONGEST_WATCHED = 8_000  # characters of an id that fit into any note


def watched_name(image_id: str) -> str:
    """What stands for an image where there is little room: its id, or of a very long one the beginning and a digest."""
    if len(image_id) <= _LONGEST_WATCHED:
        return image_id
    digest = hashlib.sha256(image_id.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{image_id[:200]}…{digest}"


def condemned(poison: Mapping[str, str], image_id: str) -> str:
    """Why no stage may touch that image, or ""; it may be listed by its id or by its `watched_name`."""
    return poison.get(image_id) or poison.get(watched_name(image_id)) or poison.get("") or ""


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
        inference: Address of the process that holds the large models of this host; "" where a stage loads its own.
        waiting: Makes a context in which the worker only waits for another process: its time is no image's fault.
        batch_bytes: Bytes that the images of a batch may take; a reader ends a batch there.
        ahead: Whom a reader tells what it reads, so that what comes next is on its way; None where nobody cares.
    """

    worker_id: str = ""
    allocation: Any = None
    watch: Callable[[str], None] = field(default=_nobody_watches, repr=False, compare=False)
    inference: str = ""
    waiting: Callable[[], AbstractContextManager[None]] = field(default=nullcontext, repr=False, compare=False)
    batch_bytes: int = BATCH_BYTES
    ahead: ReadAhead | None = field(default=None, repr=False, compare=False)

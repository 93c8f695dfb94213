"""Going on with a partition in the middle, in another worker, after the first one died.

A chain can do so where its first stage can pass over what it has read before, where every stage works on one batch at
a time, and where the stages that gather a whole partition can hand on what they have gathered.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from nemo_curator.backends.base import Stage
from nemo_curator.stages.base import PartitionStage


@dataclass(frozen=True, slots=True)
class Resumption:
    """How far a partition is.

    Attributes:
        records: Input records in the batches that are through.
        batches: Number of those batches.
        saved: What the stages that gather gave at the end of each, in order; one item a stage. Read once.
    """

    records: int = 0
    batches: int = 0
    saved: Iterable[tuple[Any, ...]] = ()


def is_resumable(stages: Sequence[Stage]) -> bool:
    """Whether a partition that goes through these stages can be gone on with after any of its batches."""
    first, rest = stages[0], stages[1:]
    return first.resumes and all(
        stage.batch_size == 1 and (not isinstance(stage, PartitionStage) or stage.resumes) for stage in rest
    )


def gatherers(stages: Sequence[Stage]) -> list[PartitionStage[Any, Any]]:
    """The stages that gather a whole partition, in order."""
    return [stage for stage in stages if isinstance(stage, PartitionStage)]

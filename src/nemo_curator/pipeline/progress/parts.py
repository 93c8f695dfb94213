"""A part that was just written, as an event."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import pyarrow as pa

from nemo_curator.pipeline.progress.events import Scored
from nemo_curator.runs.deciding import Policy, preview
from nemo_curator.runs.deciding.rules import DUPLICATE_RULES
from nemo_curator.shards.partitioning import Partition


def scored_part(
    partition: Partition, table: pa.Table, policy: Policy | None, seconds: Mapping[str, float], *, judged: bool = True
) -> Scored:
    """What became of a partition, as far as that can be said without the others.

    Args:
        partition: The partition.
        table: Its part.
        policy: How to decide; without one, what can be read is kept.
        seconds: Stage to what its calls took.
        judged: Whether anybody wants to know verdicts.
    """
    if not judged:
        return Scored(partition.size, {}, partition=partition.id, seconds=seconds)
    errors = {str(code): count for code, count in Counter(table["error"].to_pylist()).items() if code is not None}
    if policy is None:
        broken = sum(errors.values())
        return Scored(
            partition.size, {"keep": table.num_rows - broken, "quarantine": broken}, {}, errors, partition.id, seconds
        )
    tally = preview(table, policy)
    rules = {rule: count for rule, count in tally.rules.items() if rule not in DUPLICATE_RULES}
    return Scored(partition.size, dict(tally.verdicts), rules, errors, partition.id, seconds)

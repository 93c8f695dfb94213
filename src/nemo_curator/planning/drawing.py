"""Which files of an input a sample looks at: drawn at random, and for the same input always the same ones."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from nemo_curator.shards.entry import Entry
from nemo_curator.shards.partitioning import Partition

_LEAST_SHARDS = 8  # that are opened, where there are so many: one shard says little of the others
_LEAST, _MOST = 8, 64  # loose files that are scored together
_USUAL_BYTES = 100_000  # of an image in a shard where nobody looked


@dataclass(frozen=True, slots=True)
class Drawn:
    """What is looked at.

    Attributes:
        loose: Groups of loose files.
        shards: Shards, each by itself.
        each: Records at the beginning of each shard that are read.
    """

    loose: tuple[Partition, ...]
    shards: tuple[Partition, ...]
    each: int


def draw(entries: Sequence[Entry], wanted: int, workers: int, sample_bytes: int | None = None) -> Drawn:
    """Draw a sample.

    Args:
        entries: The input.
        wanted: Records to look at, at least 1; there may be fewer, and where there are many workers a few more.
        workers: Workers that are to have something to do, at least 1.
        sample_bytes: Bytes of a shard that one of its records takes; None where nobody knows.
    """
    loose = [entry for entry in entries if not entry.is_shard]
    shards = [entry for entry in entries if entry.is_shard]
    inside = sum(max(1, entry.size // (sample_bytes or _USUAL_BYTES)) for entry in shards)
    alone = min(
        len(loose), max(min(_LEAST, wanted), round(wanted * len(loose) / (len(loose) + inside))) if loose else 0
    )
    chance = random.Random(0)  # noqa: S311 (no secret hangs on it)
    chosen = chance.sample(loose, alone)
    opened = chance.sample(shards, min(len(shards), max(_LEAST_SHARDS, 2 * workers), max(1, wanted - alone)))
    together = min(_MOST, max(_LEAST, -(-alone // (2 * workers))))
    return Drawn(
        tuple(_grouped(chosen, together)),
        tuple(Partition((entry,)) for entry in opened),
        max(1, -(-(wanted - alone) // len(opened))) if opened else 0,
    )


def _grouped(entries: Sequence[Entry], most: int) -> list[Partition]:
    """Files of one input together, up to a number."""
    inputs: dict[tuple[str, str], list[Entry]] = defaultdict(list)
    for entry in entries:
        inputs[entry.root, entry.name].append(entry)
    return [
        Partition(tuple(group[first : first + most]))
        for group in inputs.values()
        for first in range(0, len(group), most)
    ]

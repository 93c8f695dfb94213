"""Which samples go into which shard, in which order: arithmetic on numbers, without a file."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nemo_curator import storage
from nemo_curator.runs.exporting.settings import ExportSettings

Numbers = npt.NDArray[np.int64]
Keys = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class PlannedShard:
    """One shard to be.

    Attributes:
        name: Its files' names without what they end in: `00000`, or `train/00000` in a split.
        split: The split it belongs to; "" where there is none.
        start: Place of its first sample in the export order.
        stop: Place behind its last.
        bytes: Bytes of its samples' members.
    """

    name: str
    split: str
    start: int
    stop: int
    bytes: int

    @property
    def samples(self) -> int:
        """Samples in it."""
        return self.stop - self.start


def arrange(
    lengths: Numbers,
    splits: npt.NDArray[np.int16],
    names: Sequence[str],
    keys: Keys | None,
    settings: ExportSettings,
) -> tuple[Numbers, list[PlannedShard]]:
    """Put samples in order and cut the order into shards.

    Args:
        lengths: `(N,)` bytes of each sample's members, in source order.
        splits: `(N,)` index in `names` of each sample's split.
        names: Names of the splits, sorted; "" for samples of none.
        keys: `(N, 2)` what the order is drawn by; None for source order.
        settings: How large shards are.

    Returns:
        (`(N,)` places in source order, in export order; the shards, split after split).
    """
    by = (splits,) if keys is None else (keys[:, 1], keys[:, 0], splits)
    order = np.lexsort(by).astype(np.int64)  # stable, so that equal keys stay in source order
    shards: list[PlannedShard] = []
    ends = np.searchsorted(splits[order], np.arange(len(names)), side="right")
    start = 0
    for name, end in zip(names, ends.tolist(), strict=True):
        for number, (first, last, size) in enumerate(_cut(lengths[order[start:end]], settings)):
            shard = storage.join(name, f"{number:05d}")
            shards.append(PlannedShard(shard, name, start + first, start + last, size))
        start = end
    return order, shards


def _cut(lengths: Numbers, settings: ExportSettings) -> Iterator[tuple[int, int, int]]:
    """(start, stop, bytes) of each shard of one split."""
    total = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
    count = len(lengths)
    start = 0
    while start < count:
        stop = min(count, start + (settings.shard_size or count)) if settings.shard_bytes is None else count
        if settings.most_bytes is not None:
            fits = int(np.searchsorted(total, total[start] + settings.most_bytes, side="right")) - 1
            stop = min(stop, max(start + 1, fits))
        yield start, stop, int(total[stop] - total[start])
        start = stop


def shuffle_keys(ids: Iterable[str], seed: int) -> Keys:
    """`(N, 2)` big-endian halves of md5(seed ':' image_id), which order as the digests do."""
    front = f"{seed}:".encode()
    digests = (hashlib.md5(front + one.encode(), usedforsecurity=False).digest() for one in ids)
    return np.frombuffer(b"".join(digests), ">u8").reshape(-1, 2).astype(np.uint64)

"""Embeddings of some images of a run, from where they lie."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from nemo_curator import storage
from nemo_curator.errors import CuratorError
from nemo_curator.report.verdicts import Positions
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.stored_embeddings import stored_embeddings

_REMOTE = 200_000_000  # bytes that are fetched for a map at most; a local file is mapped, and read row by row


def embeddings_at(
    run: RunDirectory,
    partition_ids: Sequence[str],
    starts: Sequence[int],
    readable: Positions,
    positions: Positions,
) -> npt.NDArray[np.float32] | None:
    """Embeddings of some readable images.

    Args:
        run: The run.
        partition_ids: Its partitions, in source order.
        starts: Position of the first input of each partition.
        readable: Positions of all readable images, ascending.
        positions: `(M,)`, those that are wanted.

    Returns:
        `(M, D)`, with zeros for an image whose embedding is not there; None where none is.
    """
    by_part: dict[int, list[int]] = defaultdict(list)
    for at, position in enumerate(positions.tolist()):
        by_part[bisect_right(starts, position) - 1].append(at)
    found: npt.NDArray[np.float32] | None = None
    left = _REMOTE
    for part, places in by_part.items():
        stored = stored_embeddings(run, partition_ids[part])
        first, last = np.searchsorted(readable, [starts[part], _end(starts, part, readable)])
        if stored is None or stored.rows != last - first:
            continue
        size = 2 * stored.rows * stored.dimension
        if not storage.is_local(run.root):
            left -= size
            if left < 0:
                break
        if found is None:
            found = np.zeros((len(positions), stored.dimension), np.float32)
        rows = np.searchsorted(readable, positions[places]) - first
        if stored.dimension == found.shape[1]:
            try:
                found[places] = stored.matrix(0, stored.rows)[rows]
            except CuratorError:
                continue  # a map without some of its points is a map
    return found


def _end(starts: Sequence[int], part: int, readable: Positions) -> int:
    return starts[part + 1] if part + 1 < len(starts) else int(readable[-1]) + 1

"""Connected parts of a mask, as runs of pixels."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Runs = npt.NDArray[np.int64]


def components(mask: npt.NDArray[np.bool_]) -> list[Runs]:
    """The 8-connected parts of a mask, in the order of their first pixels.

    Args:
        mask: `(H, W)` bool.

    Returns:
        For each part `(K, 3)` runs: row, first column, last column; in reading order.
    """
    runs = _runs(mask)
    if not len(runs):
        return []
    roots = _roots(runs, mask.shape[1])
    order = np.argsort(roots, kind="stable")
    cuts = np.flatnonzero(np.diff(roots[order])) + 1
    return list(np.split(runs[order], cuts))


def _runs(mask: npt.NDArray[np.bool_]) -> Runs:
    edges = np.diff(np.pad(mask.astype(np.int8), ((0, 0), (1, 1))), axis=1)
    rows, starts = np.nonzero(edges == 1)
    ends = np.nonzero(edges == -1)[1]
    return np.stack([rows, starts, ends - 1], axis=1).astype(np.int64)


def _roots(runs: Runs, width: int) -> Runs:
    """For each run the number of the first run of its part."""
    pitch = width + 2  # a run that reaches over an edge must not meet those of the next row
    rows, starts, ends = runs.T
    below = (rows + 1) * pitch
    first = np.searchsorted(rows * pitch + ends, below + starts - 1, side="left")
    last = np.searchsorted(rows * pitch + starts, below + ends + 1, side="right")
    parent = list(range(len(runs)))

    def root(one: int) -> int:
        while parent[one] != one:
            parent[one] = one = parent[parent[one]]
        return one

    for run in np.flatnonzero(last > first).tolist():
        for other in range(int(first[run]), int(last[run])):
            one, two = root(run), root(other)
            parent[max(one, two)] = min(one, two)
    return np.array([root(run) for run in range(len(runs))], np.int64)

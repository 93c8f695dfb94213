"""Which images a gallery goes through, in which order: whole lists of positions, of which pages are cut."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nemo_curator.report.serving.ladder import Ladder
from nemo_curator.report.verdicts import Positions

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a gallery should show.

    Attributes:
        groups: Numbers of groups, ascending; None for all.
        words: What ids and captions must hold.
        axis: Number of the axis by which they are ordered; None for source order.
        descending: Whether the order is turned round.
    """

    groups: tuple[int, ...] | None = None
    words: tuple[str, ...] = ()
    axis: int | None = None
    descending: bool = False


def positions_wanted(
    wanted: Wanted,
    *,
    readable: Mask,
    numbers: npt.NDArray[np.uint16],
    found: Callable[[], Positions],
    ladder: Callable[[int], Ladder],
) -> Positions:
    """Positions of all images that a gallery goes through; those without a value come last, in source order.

    Args:
        wanted: What it should show.
        readable: `(N,)`, which inputs are readable.
        numbers: `(N,)`, the group of each input.
        found: Gives the positions of images that hold the words.
        ladder: Gives the values of an axis in order.
    """
    there = readable
    if wanted.groups is not None:
        there = there & np.isin(numbers, np.array(wanted.groups, np.uint16))
    if wanted.words:
        hits = np.zeros(len(there), np.bool_)
        hits[found()] = True
        there = there & hits
    if wanted.axis is None:
        positions = np.flatnonzero(there)
        return positions[::-1] if wanted.descending else positions
    ordered = ladder(wanted.axis).ordered(descending=wanted.descending)
    chosen = ordered[there[ordered]]
    rest = there.copy()
    rest[chosen] = False
    return np.concatenate([chosen, np.flatnonzero(rest)])

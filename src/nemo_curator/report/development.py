"""Thumbnails of many images, by two processes side by side.

Each thread of the pool owns one `Thumbnailer` with its process, and a run of neighbouring images, so that a shard is
opened by few; the caller's thread waits.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

from nemo_curator.cores import usable_cores
from nemo_curator.report.developers import SIDE_BY_SIDE, Developers
from nemo_curator.report.samples import Row
from nemo_curator.report.thumbnail_messages import SIDE
from nemo_curator.report.thumbnails import Thumbnail, Thumbnailer

_EACH = 40  # images at least for each process

# some such lists are of pictures that nobody may copy, and a page is a copy
UNSHOWN = "on a list of known images, and not shown"
"""Why there is no picture of an image that a list of known images names."""


def thumbnails_of(
    rows: Mapping[int, Row],
    seconds: float,
    *,
    side: int = SIDE,
    unshown: Collection[int] = (),
    developers: Developers | None = None,
) -> dict[int, Thumbnail]:
    """Thumbnails of images by their position; of what has an error there is none.

    Args:
        rows: Position to part row, with `location`.
        seconds: Time that one image may take.
        side: Longer side of a thumbnail in pixels.
        unshown: Positions of images of which there is none on purpose.
        developers: Where processes come from and go to; they start and end here by default.
    """
    readable = sorted(position for position, row in rows.items() if row["error"] is None)
    found = {position: Thumbnail(missing=UNSHOWN) for position in readable if position in unshown}
    wanted = [position for position in readable if position not in unshown]

    def develop(some: list[int]) -> dict[int, Thumbnail]:
        with Thumbnailer(seconds, side, developers) as thumbnailer:
            return {one: thumbnailer.make(rows[one], rows[one]["location"]) for one in some}

    hands = max(1, min(SIDE_BY_SIDE, usable_cores(), len(wanted) // _EACH))
    bounds = [len(wanted) * hand // hands for hand in range(hands + 1)]
    pieces = [wanted[start:stop] for start, stop in pairwise(bounds)]
    with ThreadPoolExecutor(hands) as pool:
        for made in pool.map(develop, pieces):
            found |= made
    return found

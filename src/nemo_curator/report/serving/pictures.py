"""Pictures of a run's images on demand: their bytes from where they lie, made small in killable processes.

Any thread may ask. A `Thumbnailer` (and the process that it owns) is used by one thread at a time: a thread takes one
out of a queue and puts it back. What was read of parts and what was made small is kept in `Kept`, which guards itself.
"""

from __future__ import annotations

import queue
import threading
from bisect import bisect_right
from collections.abc import Callable, Hashable, Sequence
from contextlib import suppress
from itertools import accumulate
from typing import Literal

import pyarrow as pa

from nemo_curator.cores import usable_cores
from nemo_curator.errors import CuratorError
from nemo_curator.report.samples import Row
from nemo_curator.report.serving.keeping import Kept
from nemo_curator.report.thumbnails import Developed, Thumbnailer
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.partitions import Locations
from nemo_curator.runs.parts import check_columns
from nemo_curator.shards.parquet import open_parquet

Size = Literal["small", "large"]
SIDES: dict[Size, int] = {"small": 320, "large": 1280}
"""Longer side in pixels."""

_HANDS: dict[Size, int] = {"small": 2, "large": 1}  # processes, each with one image at a time
_PICTURES = 96_000_000  # bytes of small pictures that are kept
_PARTS = 128_000_000  # bytes of parts that are kept: where images lie
_GROUPS = 1_000_000  # row groups whose ends are kept
_COLUMNS = ("source", "members", "primary")
_PATIENCE = 60.0  # seconds that a picture waits for a process at most,
_FAREWELL = 2.0  # and that a process has for its last one
_CLOSED = Developed(missing="the run was decided anew: load the page again", lasting=False)


class Pictures:
    """Makes pictures of inputs by their position.

    Args:
        run: The run.
        partitions: Its partitions.
        starts: Position of the first input of each partition.
        seconds: Time that one image may take.
    """

    def __init__(self, run: RunDirectory, partitions: Locations, starts: Sequence[int], seconds: float) -> None:
        self._run = run
        self._partitions = partitions
        self._starts = starts
        self._made: Kept[tuple[Hashable, Size], Developed] = Kept(_PICTURES, lambda one: len(one.data) + 100)
        self._parts: Kept[tuple[int, int], pa.Table] = Kept(_PARTS, lambda one: int(one.nbytes))
        self._ends: Kept[int, tuple[int, ...]] = Kept(_GROUPS, len)
        self._closing = threading.Event()
        self._hands: dict[Size, queue.Queue[Thumbnailer]] = {}
        for size, side in SIDES.items():
            self._hands[size] = queue.Queue()
            for _ in range(min(_HANDS[size], usable_cores())):
                self._hands[size].put(Thumbnailer(seconds, side))

    def close(self) -> None:
        """End the processes; one that is at work for longer is ended by the thread that it works for."""
        self._closing.set()
        for size, hands in self._hands.items():
            idle = []
            for _ in range(min(_HANDS[size], usable_cores())):
                with suppress(queue.Empty):
                    idle.append(hands.get(timeout=_FAREWELL))
            for hand in idle:
                hand.close()
                hands.put(hand)  # who waits for one sees that it is closed

    def of(self, position: int, size: Size) -> Developed:
        """The picture of an input.

        Args:
            position: Its position; there is such an input.
            size: How large it should be.
        """
        return self._developed(position, size, lambda: self._row(position))

    def of_row(self, row: Row, size: Size) -> Developed:
        """The picture of an image of another run, by its part row with `location`."""
        return self._developed((row["location"], row["image_id"]), size, lambda: row)

    def _developed(self, key: Hashable, size: Size, row: Callable[[], Row]) -> Developed:
        found = self._made.get((key, size))
        if found is not None:
            return found
        try:
            read = row()
        except (CuratorError, OSError, ValueError, pa.ArrowException):
            return Developed(missing="its row in the run cannot be read any more", lasting=False)
        try:
            hand = self._hands[size].get(timeout=_PATIENCE)
        except queue.Empty:
            return Developed(missing="too many pictures are waiting to be made", lasting=False)
        try:
            made = _CLOSED if self._closing.is_set() else hand.develop(read, read["location"])
        finally:
            if self._closing.is_set():
                hand.close()
            self._hands[size].put(hand)
        return self._made.put((key, size), made) if made.lasting else made

    def _row(self, position: int) -> Row:
        """`members`, `primary` and `location` of an input."""
        part = bisect_right(self._starts, position) - 1
        partition_id = self._partitions.ids[part]
        inside = position - self._starts[part]
        ends = self._ends.made(part, lambda: self._ends_of(partition_id))
        group = bisect_right(ends, inside)
        table = self._parts.made((part, group), lambda: self._group(partition_id, group))
        row: Row = table.slice(inside - (ends[group - 1] if group else 0), 1).to_pylist()[0]
        row["location"] = self._partitions.of(partition_id, [row["source"]]).get(row["source"])
        return row

    def _ends_of(self, partition_id: str) -> tuple[int, ...]:
        """How many rows of a part lie before the end of each of its row groups."""
        with open_parquet(self._run.part(partition_id)) as parquet:
            check_columns(parquet, self._run.part(partition_id))
            groups = (parquet.metadata.row_group(at).num_rows for at in range(parquet.metadata.num_row_groups))
            return tuple(accumulate(groups))

    def _group(self, partition_id: str, group: int) -> pa.Table:
        with open_parquet(self._run.part(partition_id)) as parquet:
            return parquet.read_row_group(group, columns=list(_COLUMNS))


def fits(shape: tuple[int, int], size: Size) -> tuple[int, int]:
    """Width and height of the picture of an image.

    Args:
        shape: Width and height of the image in pixels.
        size: How large the picture should be.
    """
    longer = max(shape)
    side = min(longer, SIDES[size])
    if not longer:
        return 0, 0
    return max(1, round(shape[0] * side / longer)), max(1, round(shape[1] * side / longer))

"""Whether the sources of delivered samples still hold the bytes that were delivered."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from nemo_curator.runs.exporting.copying import Block, contents, members_of, strings_of
from nemo_curator.runs.exporting.findings import Problems
from nemo_curator.runs.exporting.shard_check import Digests, content_digests
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.partitions import read_partitions
from nemo_curator.runs.parts import read_part
from nemo_curator.shards.fetch import MemberReader
from nemo_curator.shards.partitioning import Partition


def check_samples_at_their_sources(
    run: RunDirectory, delivered: Digests, rendered: npt.NDArray[np.bool_], problems: Problems
) -> tuple[int, int]:
    """Read the members of all delivered samples where they came from, each source once.

    Args:
        run: The run that they were exported from.
        delivered: `(N, 2)` content digest of each.
        rendered: `(N,)` whether its image was made anew.
        problems: Told what is gone or changed.

    Returns:
        Number of samples whose sources are what was scored, and how many of these have an image that was made anew.
    """
    try:
        partitions: Sequence[Partition] = read_partitions(run)
    except (OSError, pa.ArrowException) as error:
        problems.add(f"the list of partitions cannot be read ({error})")
        return 0, 0
    known, anew = _sorted(delivered), _sorted(delivered[rendered])
    same = made = met = 0
    with MemberReader() as reader:
        for partition in partitions:
            try:
                rows = read_part(run, partition.id, ["image_id", "source", "members"])
            except (OSError, pa.ArrowException):
                problems.add(f"part {partition.id} of the run cannot be read")
                continue
            digests = content_digests(rows)
            there = np.flatnonzero(_among(digests, known))
            rows = rows.take(there)
            met += rows.num_rows
            unchanged = _same_there(reader, partition, rows, problems)
            same += int(unchanged.sum())
            made += int((unchanged & _among(digests[there], anew)).sum())
    if met < len(known):
        problems.add(f"{len(known) - met:,} delivered samples are not in the run, or with other bytes")
    return same, made


def _sorted(digests: Digests) -> npt.NDArray[np.void]:
    """The same, a value each, in order."""
    found = digests.copy().view([("high", np.uint64), ("low", np.uint64)]).reshape(-1)
    found.sort()
    return found


def _among(found: Digests, known: npt.NDArray[np.void]) -> npt.NDArray[np.bool_]:
    """Whether each digest is a known one."""
    if not len(known):
        return np.zeros(len(found), np.bool_)
    asked = found.copy().view(known.dtype).reshape(-1)
    places = np.searchsorted(known, asked).clip(max=len(known) - 1)
    return np.asarray(known[places] == asked, np.bool_)


def _same_there(
    reader: MemberReader, partition: Partition, rows: pa.Table, problems: Problems
) -> npt.NDArray[np.bool_]:
    """Of each row whether its source still holds the bytes that were scored."""
    locations = {entry.path: entry.location for entry in partition.entries}
    ids, members = strings_of(rows, "image_id"), members_of(rows)
    places = [(locations[path], its) for path, its in zip(strings_of(rows, "source"), members, strict=True)]
    block = Block(rows, ids, [], members, [], [])
    same = np.ones(len(ids), np.bool_)
    for index, found in enumerate(contents(reader, block, places, skip=True)):
        if isinstance(found, str):
            problems.add(f"{ids[index]}: at its source, {found}")
            same[index] = False
    return same

"""Which image a place is: a path as a shell completes it, or a URL, becomes an id of the run."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import cache

from nemo_curator import storage
from nemo_curator.shards.names import relative_path, with_name
from nemo_curator.shards.partitioning import Partition


def ids_of_place(place: str, partitions: Sequence[Partition]) -> list[str]:
    """Ids that an image at this place has, as far as the inputs of a run tell: none where it is in no input.

    Args:
        place: A path or URL; of an image in a shard, that of the shard without its extension, and the key.
        partitions: Of the run.
    """
    return list(dict.fromkeys(_ids(_spellings(place), partitions)))


def _ids(places: Sequence[str], partitions: Sequence[Partition]) -> Iterator[str]:
    spellings = cache(_spellings)
    seen = set()
    last = {one.rpartition("/")[2] for one in places}
    for entry in (entry for partition in partitions for entry in partition.entries):
        if not entry.root:  # an input that is a file
            is_it = entry.location.rpartition("/")[2] in last and {*places} & {*spellings(entry.location)}
            yield from [with_name(entry.name, entry.path)] if is_it else []
        elif (entry.root, entry.name) not in seen:
            seen.add((entry.root, entry.name))
            for root in spellings(entry.root):
                inside = [one for one in places if one.startswith(storage.join(root, ""))]
                yield from (with_name(entry.name, relative_path(one, root)) for one in inside)


def _spellings(place: str) -> list[str]:
    """How a place may be written in full: with the links on the way to it, and without."""
    if not storage.is_local(place):
        return [place]
    path = os.path.abspath(storage.local_path(place))  # noqa: PTH100 (paths are strings)
    folder, name = os.path.split(path)
    return list(dict.fromkeys([path, storage.join(os.path.realpath(folder), name)]))

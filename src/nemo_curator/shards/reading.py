"""The files of one partition to samples, whatever kind each is."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from nemo_curator import storage
from nemo_curator.shards.ahead import ReadAhead
from nemo_curator.shards.classify import HEAD_BYTES, is_tar_head
from nemo_curator.shards.entry import entry_at
from nemo_curator.shards.folder_reader import read_loose
from nemo_curator.shards.limits import MAX_BYTES
from nemo_curator.shards.names import relative_path
from nemo_curator.shards.parquet_reader import read_parquet
from nemo_curator.shards.sample import Sample
from nemo_curator.shards.tar_reader import read_tar

_STEP = 16  # loose files between two words about how far reading is: many small ones go by in a millisecond


def read_partition(
    locations: Sequence[str],
    metadata: Mapping[str, Any],
    *,
    max_bytes: int = MAX_BYTES,
    most: int | None = None,
    about_to_read: Callable[[int], None] = lambda _: None,
    ahead: ReadAhead | None = None,
) -> Iterator[Sample]:
    """The samples of all files, in order; see `read_tar`, `read_parquet` and `read_loose`.

    Args:
        locations: Paths or URLs of shards and loose files.
        metadata: A `FileGroupTask`'s: `input_root`, `input_name`, `sidecars` and `parquets` (which of the files are
            Parquet files of images) are used, where they are there.
        max_bytes: Longest file that is read, bytes.
        most: Samples of each file at most; None means all.
        about_to_read: Called before bytes of a sample are read, with how many of it there will be in memory then.
        ahead: Told what is read, and how far that is.

    Raises:
        InputError: A file does not lie under `input_root`.
        StorageError: There is no room to unpack a compressed shard.
    """
    root, name = metadata.get("input_root", ""), metadata.get("input_name", "")
    sidecars, parquets = metadata.get("sidecars", {}), frozenset(metadata.get("parquets", ()))
    if ahead is not None:
        ahead.begin(locations)
    for position, location in enumerate(locations):
        own = tuple(relative_path(one, root) for one in sidecars.get(location, ()))
        entry = entry_at(location, root=root, name=name, sidecars=own)
        if ahead is not None and (entry.is_shard or position % _STEP == 0):
            ahead.reached(position)
        if location in parquets:
            samples = read_parquet(location, root=root, name=name, max_bytes=max_bytes, about_to_read=about_to_read)
            yield from itertools.islice(samples, most)
        elif entry.kind == "tar" or (entry.kind == "stray" and _is_tar(location)):
            samples = read_tar(location, root=root, name=name, max_bytes=max_bytes, about_to_read=about_to_read)
            yield from itertools.islice(samples, most)
        else:
            yield from read_loose([entry], max_bytes=max_bytes, about_to_read=about_to_read)


def _is_tar(location: str) -> bool:
    try:
        return is_tar_head(storage.read_range(location, 0, HEAD_BYTES))
    except OSError:  # the reader will say so in the file's record
        return False

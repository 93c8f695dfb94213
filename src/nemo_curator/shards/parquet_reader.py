"""A Parquet or Arrow stream of images to samples, a row at a time."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace

import pyarrow as pa

from nemo_curator.kernels.sniff import HEAD_BYTES, looks_like, sniff
from nemo_curator.kernels.source import Member, Source
from nemo_curator.shards.limits import MAX_BYTES, MAX_MEMBERS, MAX_NAMES, over_limit, too_many_files
from nemo_curator.shards.names import relative_path, shard_stem, with_name
from nemo_curator.shards.parquet_rows import Row
from nemo_curator.shards.rows_of_images import Rows, open_rows
from nemo_curator.shards.sample import Sample


def read_parquet(
    location: str,
    *,
    root: str = "",
    name: str = "",
    max_bytes: int = MAX_BYTES,
    about_to_read: Callable[[int], None] = lambda _: None,
) -> Iterator[Sample]:
    """The samples of one Parquet or Arrow stream, in the order of its rows, holding the bytes of one at a time.

    Every row is one record. Its image is the primary, every other column of bytes a sidecar, and all further columns
    together a sidecar `.json`; of a Parquet that an export of ours wrote, the sidecars are those that it holds. A
    sample is named by a column `key`, `__key__`, `id` or `image_id` of text, and without one by the number of its row.

    What cannot be a sample is one with `error` set: `no_image`, `over_limit`, `duplicate_member`, `unreadable`, and for
    the file itself, after all others and under its path with extension, `damaged_shard` (also where it has more rows
    than `limits` allows) or `unreadable`. No input makes this raise.

    Args:
        location: Path or URL.
        root: The input that it was found under; "" where it is an input itself.
        name: The input's name, which begins its ids, or "".
        max_bytes: Longest file of a sample, bytes; a sample may have four times as much.
        about_to_read: Called before a sample's bytes are copied out of the file's page, with how many there are.

    Raises:
        InputError: `location` does not lie under `root`.
    """
    path = relative_path(location, root)
    shard = _Shard(Source(root=root, name=name, path=path, location=location), max_bytes, about_to_read)
    try:
        with open_rows(location) as rows:
            if rows is None:
                yield shard.failed("damaged_shard", "it has no column of images any more")
            else:
                yield from shard.samples(rows)
    except OSError as error:
        if error.errno is not None:
            yield shard.failed("unreadable", f"the shard cannot be read: {error.strerror or error}")
        else:  # Arrow says of most damage that reading failed
            yield shard.damaged(error)
    except (pa.ArrowException, UnicodeDecodeError) as error:  # names of columns may be damaged too
        yield shard.damaged(error)


class _Shard:
    """A shard while its samples are made.

    Args:
        source: Its place, without key and members.
        max_bytes: Longest file that is read.
        about_to_read: Told how many bytes of a sample are read next.
    """

    def __init__(self, source: Source, max_bytes: int, about_to_read: Callable[[int], None]) -> None:
        self._source, self._max_bytes, self._about_to_read = source, max_bytes, about_to_read
        self._taken: dict[str, int] = {}  # id to the number that the last one of that key has
        self._names, self._read = 0, 0

    def samples(self, rows: Rows) -> Iterator[Sample]:
        """The sample of every row, and a record of what is not read.

        Raises:
            OSError, pyarrow.ArrowException: As `ImageRows.read_from`.
        """
        excess = rows.excess()
        for row in () if excess else rows.read_from():
            self._names += len(row.key) + sum(len(one.name) for one in row.files)
            if self._read == MAX_MEMBERS or self._names > MAX_NAMES:
                excess = "it has more rows, or longer names, than are read of one shard: split it"
                break
            self._read += 1
            yield self._sample(row)
        if not excess and self._read < rows.count:
            excess = f"it says that it has {rows.count:,}"
        if excess:
            yield self.failed("damaged_shard", f"read to row {self._read:,}: {excess}")

    def damaged(self, error: Exception) -> Sample:
        """The record of what is wrong with the file."""
        why = " ".join(str(error).split())
        return self.failed("damaged_shard", f"damaged after {self._read:,} whole rows: {why}")

    def failed(self, error: str, detail: str) -> Sample:
        """A record about the shard as a whole."""
        return Sample(with_name(self._source.name, self._source.path), self._source, error=error, detail=detail)

    def _sample(self, row: Row) -> Sample:
        place = row.number + 1  # 0 is a file of its own
        members = [Member(one.name, one.extension, place, one.data.size) for one in row.files]
        source = replace(self._source, key=row.key, members=tuple(members), primary=-1)
        sample = Sample(self._id(row.key), source)
        twice = [name for name, count in Counter(one.name for one in row.files).items() if count > 1]
        excess = too_many_files(row.count) or over_limit(((one.name, one.length) for one in members), self._max_bytes)
        if excess or row.trouble or twice:
            code = "over_limit" if excess else "unreadable" if row.trouble else "duplicate_member"
            sample.error, sample.detail = code, excess or row.trouble or f"the name {twice[0]} is there twice"
            return sample
        self._about_to_read(sum(one.length for one in members))
        contents = [one.data.to_pybytes() for one in row.files]
        hashed = [
            replace(one, sha256=hashlib.sha256(data).hexdigest()) for one, data in zip(members, contents, strict=True)
        ]
        image = contents[row.primary] if row.primary >= 0 else b""
        primary = row.primary if sniff(image[:HEAD_BYTES]) else -1
        sample.source = replace(source, members=tuple(hashed), primary=primary)
        sample.sidecars = {hashed[at].name: data for at, data in enumerate(contents) if at != primary}
        if primary < 0:
            sample.error, sample.detail = "no_image", _no_image(row, image)
        else:
            sample.image = image
        return sample

    def _id(self, key: str) -> str:
        """The id of a row's sample: another one where an earlier row has that key."""
        found, number = key, self._taken.get(key, 1)
        while found in self._taken:
            number += 1
            found = f"{key}#{number}"
        self._taken[found] = 1
        self._taken[key] = number
        return with_name(self._source.name, f"{shard_stem(self._source.path)}/{found}")


def _no_image(row: Row, image: bytes) -> str:
    if row.outside:
        return f"the row has the path {row.outside} of an image, and no bytes of one"
    if row.primary < 0:
        return "the row has no image"
    if not image:
        return "the image is empty (0 bytes)"
    what = looks_like(image[:HEAD_BYTES])
    return f"its first bytes are of no known image format{f', but look like {what}' if what else ''}"

"""Kept samples with their own bytes, checked against the hashes that were taken when they were scored."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, groupby
from typing import Any

import numpy as np
import pyarrow as pa

from nemo_curator.codecs.rendition import Rendition
from nemo_curator.errors import InputError
from nemo_curator.kernels.source import Member, Source
from nemo_curator.runs.exporting.making import Aim, Contents, Made, aim, with_extension
from nemo_curator.runs.exporting.names import ShardNames
from nemo_curator.shards.fetch import MemberReader


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Consecutive samples of one shard: as many as are held as rows, and in a Parquet one row group.

    Attributes:
        table: Their rows.
        ids: Their ids.
        keys: Their keys in the shard.
        members: Their members, as in the source.
        names: Names of these in the shard.
        primary: Index of each one's image, or -1.
        aims: What becomes of each one's image; none where all leave with their own bytes.
        delivered: Their members with the lengths and hashes that they leave with, where that is known beforehand.
    """

    table: pa.Table
    ids: list[str]
    keys: list[str]
    members: list[list[Member]]
    names: list[list[str]]
    primary: list[int]
    aims: list[Aim] = field(default_factory=list)
    delivered: list[list[Member]] = field(default_factory=list)

    def hashes(self, index: int, made: Made | None) -> list[str]:
        """Hex digest of each of a sample's files as it leaves."""
        found = [one.sha256 for one in (self.delivered or self.members)[index]]
        if made is not None and 0 <= self.primary[index] < len(found):
            found[self.primary[index]] = made.sha256
        return found


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """Some samples of the block that came last.

    Attributes:
        start: Index of the first in the block.
        contents: The bytes of each one's members; a sentence instead for one that cannot be had, and why for one whose
            image could not be made.
        made: The image of each one as it leaves; none where all leave with their own bytes.
    """

    start: int
    contents: list[Contents]
    made: list[Made] = field(default_factory=list)


def block_of(table: pa.Table, taken: ShardNames, rendition: Rendition | None = None) -> Block:
    """Name the samples of some rows.

    Args:
        table: The rows, in export order.
        taken: Names in the shard so far.
        rendition: What images become; None for their own bytes.
    """
    members = members_of(table)
    ids, primary = strings_of(table, "image_id"), _numbers(table, "primary")
    keys: list[str] = []
    names: list[list[str]] = []
    aims: list[Aim] = []
    if rendition is not None:
        rows = table.select(["format", "width", "height", "primary"]).to_pylist()
        aims = [aim(rendition, row, its) for row, its in zip(rows, members, strict=True)]
    named = [with_extension(*both) for both in zip(members, aims, strict=True)] if aims else members
    known = zip(
        ids,
        strings_of(table, "source"),
        strings_of(table, "key"),
        strings_of(table, "format"),
        named,
        primary,
        strict=True,
    )
    for image_id, path, key, image_format, its, first in known:
        source = Source(path=path or "", key=key or "", members=tuple(its), primary=first)
        found, files = taken.of(source, image_id, image_format or "")
        keys.append(found)
        names.append(files)
    return Block(table, ids, keys, members, names, primary, aims)


def members_of(table: pa.Table) -> list[list[Member]]:
    """The column `members` as objects."""
    lists: Any = table["members"].combine_chunks()  # a list array, which the stubs do not know
    counts = lists.value_lengths().fill_null(0).to_numpy().tolist()
    flat = lists.flatten()
    fields = [flat.field(name).to_numpy(zero_copy_only=False).tolist() for name in Member.__slots__]
    each = iter(map(Member, *fields))
    return [[next(each) for _ in range(count)] for count in counts]


def strings_of(table: pa.Table, name: str) -> list[str]:
    """A column of text; None where it is NULL."""
    return list(table[name].to_numpy().tolist())


def _numbers(table: pa.Table, name: str) -> list[int]:
    values: Any = table[name]
    return list(values.fill_null(-1).to_numpy().tolist())


def contents(
    reader: MemberReader,
    block: Block,
    places: Sequence[tuple[str, Sequence[Member]]],
    *,
    skip: bool,
) -> Iterator[list[bytes] | str]:
    """The bytes of each sample's members, in order; a sentence for one that cannot be had.

    Samples of one shard that follow one another are read together.

    Args:
        reader: What reads.
        block: The samples.
        places: Location of each, and its members as they lie there.
        skip: Whether a sample that cannot be had is passed over.

    Raises:
        InputError: A sample cannot be had, and `skip` is off.
    """
    for location, group in groupby(range(len(places)), key=lambda index: places[index][0]):
        indices = list(group)
        while indices:
            stream = reader.read(location, list(chain.from_iterable(places[index][1] for index in indices)))
            for at, index in enumerate(indices):
                try:
                    found = [next(stream) for _ in places[index][1]]
                except InputError as error:
                    if not skip:
                        raise unavailable(error, block.ids[index]) from error
                    yield error.what
                    del indices[: at + 1]
                    break
                yield found
            else:
                break


def unavailable(error: InputError, image_id: str) -> InputError:
    """The error about a file, which says whose it is and what to do."""
    return InputError(
        error.what,
        where=error.where,
        cause=f"{error.cause}; it belongs to the sample {image_id!r}",
        act="bring it back and run the same command again, or leave out what is missing with --skip-missing",
    )


def spans(lengths: np.ndarray[tuple[int], np.dtype[np.int64]], rows: int, size: int) -> Iterator[tuple[int, int]]:
    """Consecutive (start, stop) of at most `rows` samples and `size` bytes each; a larger sample is alone."""
    start, held = 0, 0
    for at, length in enumerate(lengths.tolist()):
        if at > start and (at - start >= rows or held + length > size):
            yield start, at
            start, held = at, 0
        held += length
    if start < len(lengths):
        yield start, len(lengths)

"""Lance data sets in a folder, as ranges of rows: each is a shard, of one version of the data set.

A range has a name as a file would: `photos.lance/000002-000004096.lance-fragment` are rows from 4,096 on of the third
fragment. What opens it says the version too, so that what is read later is what was listed, whatever was written since.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NoReturn

import pyarrow as pa

from nemo_curator import storage
from nemo_curator._optional import require
from nemo_curator.errors import InputError
from nemo_curator.shards.entry import Entry
from nemo_curator.shards.names import FRAGMENT_SUFFIX, relative_path

ROWS = 4096
"""Rows of a range at most."""

_VERSIONS = re.compile(r"(?P<place>(?:.*/)?[^/]+\.lance)/_versions/[^/]+\.manifest", re.DOTALL | re.IGNORECASE)
_RANGE = re.compile(
    rf"(?P<place>.+)/(?P<fragment>[0-9]{{6,}})-(?P<start>[0-9]{{9,}})@(?P<version>[0-9]+){re.escape(FRAGMENT_SUFFIX)}",
    re.DOTALL,
)
_ABOVE = re.compile(
    r"\S*/(?=[^/\s]+\.lance\b)", re.IGNORECASE
)  # the folders that a data set lies in, which no part may name
_BUILT = re.compile(r"(?:, /\S+\.rs:\d+:\d+)+.*", re.DOTALL)  # where in Lance's own sources something went wrong


@dataclass(frozen=True, slots=True)
class Range:
    """Some rows of one version of a data set.

    Attributes:
        place: The data set's folder.
        version: Its version; 0 of one that could not be listed.
        fragment: Number of the fragment.
        start: The first row of it, counting those that were not deleted.
    """

    place: str
    version: int
    fragment: int
    start: int

    @property
    def location(self) -> str:
        """What opens it."""
        return f"{self.place}/{self.fragment:06d}-{self.start:09d}@{self.version}{FRAGMENT_SUFFIX}"

    @classmethod
    def of(cls, location: str) -> Range:
        """The range that a location opens.

        Raises:
            ValueError: It opens none.
        """
        match = _RANGE.fullmatch(location)
        if match is None:
            raise ValueError(f"{location!r} is no range of rows")
        return cls(match["place"], int(match["version"]), int(match["fragment"]), int(match["start"]))


def lance_places(urls: Sequence[str]) -> list[str]:
    """Folders of Lance data sets among files, by their names, none inside another.

    Args:
        urls: Paths of all files.
    """
    found = sorted({match["place"] for one in urls if (match := _VERSIONS.fullmatch(one)) is not None})
    return [one for one in found if not any(one.startswith(f"{other}/") for other in found)]


def lance_entries(place: str, root: str, name: str) -> list[Entry]:
    """The ranges of the newest version of a data set; one for all of it where that cannot be read, which says why.

    Args:
        place: Its folder.
        root: The input that it was found under.
        name: The input's name, or "".

    Raises:
        MissingExtraError: The package is not installed.
        InputError: It is not on this machine.
    """
    if not storage.is_local(place):
        raise InputError(
            "a Lance data set is read on this machine alone",
            where=place,
            act="copy it here, or write it as Parquet files",
        )
    try:
        with told():
            dataset = open_lance(place)
            ranges = list(_ranges(place, dataset))
    except pa.ArrowException:
        ranges = [(Range(place, 0, 0, 0), -1, "")]
    return [
        Entry(one.location, root, name, relative_path(one.location, root), "lance", size, version=version)
        for one, size, version in ranges
    ]


def open_lance(place: str, version: int | None = None) -> Any:
    """A version of a data set, the newest by default.

    One that names further places for its files (a shallow clone does) would have the library open whatever its author
    liked, on this machine or with the keys of this machine elsewhere.

    Raises:
        MissingExtraError: The package is not installed.
        pyarrow.ArrowInvalid: It has files outside of its own folder; they were not touched.
    """
    dataset = require("lance", extra="lance", purpose="Reading a Lance data set").dataset(place, version=version)
    if dataset.base_paths():
        raise pa.ArrowInvalid("it names places outside of its own folder for its files, as a shallow clone does")
    return dataset


def _ranges(place: str, dataset: Any) -> Iterator[tuple[Range, int, str]]:
    """(range, bytes of it as far as they are known, what changes when its fragment does)."""
    for fragment in dataset.get_fragments():
        count, size, version = facts(fragment)
        for start in range(0, count, ROWS):
            rows = min(ROWS, count - start)
            yield Range(place, dataset.version, fragment.fragment_id, start), size * rows // count, version


def facts(fragment: Any) -> tuple[int, int, str]:
    """(rows of a fragment, bytes of its files, a hash of the names of its files and of its deletions)."""
    metadata = fragment.metadata
    size = sum(one.file_size_bytes or 0 for one in metadata.files)
    said = json.dumps(metadata.to_json(), sort_keys=True, default=str)
    return fragment.count_rows(), size, hashlib.sha256(said.encode()).hexdigest()[:16]


def lance_trouble(entry: Entry) -> str:
    """What became of a range since it was listed, in some words; "" where it is still there.

    Raises:
        MissingExtraError: The package is not installed.
    """
    one = Range.of(entry.location)
    try:
        with told():
            fragment = open_lance(one.place, one.version or None).get_fragment(one.fragment)
    except pa.ArrowException as error:
        return f"{error}"
    if fragment is None or facts(fragment)[2] != entry.version:
        return "its fragment is another one"
    return ""


@contextmanager
def told() -> Iterator[None]:
    """What Lance makes of a data set that is gone or damaged becomes one kind of error.

    Raises:
        pyarrow.ArrowInvalid: Whatever it is.
    """
    try:
        yield
    except (ValueError, LookupError, RuntimeError, OSError, TypeError, NotImplementedError) as error:
        _raise(error)
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # how the library's own asserts arrive, below `Exception`
            raise
        _raise(error)


def _raise(error: BaseException) -> NoReturn:
    text = _BUILT.sub("", " ".join(str(error).split()))
    raise pa.ArrowInvalid(_ABOVE.sub("", text)[:500]) from None

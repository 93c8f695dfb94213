r"""Names and ids: how a name in a file system or archive becomes storable text, a key and an `image_id`.

Names on disk are bytes, and Python carries those that are not UTF-8 as lone surrogates, which Parquet, JSON and a
terminal refuse. `to_text` writes each such byte as `\xNN`, and the backslash of a name that already looks like that
as `\x5c`; every other name is its own text. `from_text` is its exact inverse. Everything stored (ids, `Source.path`,
`Source.key`, `Member.name`) is text; only what opens a file (`location`) stays as it is.
"""

from __future__ import annotations

import re

from nemo_curator import storage
from nemo_curator.errors import InputError

TAR_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.zst", ".tar.zstd")
"""Ends of the names of tars, lower case."""

PARQUET_SUFFIX = ".parquet"
"""End of the name of a Parquet, lower case."""

ARROW_SUFFIX = ".arrow"
"""End of the name of an Arrow stream, lower case."""

FRAGMENT_SUFFIX = ".lance-fragment"
"""End of the name of a range of rows of a Lance data set, which is no file."""

_VERSION = re.compile(rf"@[0-9]+(?={re.escape(FRAGMENT_SUFFIX)}\Z)")  # of the data set: no part of a path

# a surrogate that stands for one undecodable byte, or a backslash that would read as an escape
_TO_ESCAPE = re.compile(r"[\udc80-\udcff]|\\(?=x(?:5c|[89a-f][0-9a-f]))")
_ESCAPED = re.compile(r"\\x(5c|[89a-f][0-9a-f])")


def to_text(name: str) -> str:
    """`name` as valid Unicode, losslessly."""
    if "\\" not in name and (name.isascii() or name.isprintable()):  # surrogates are not printable
        return name
    return _TO_ESCAPE.sub(lambda match: f"\\x{ord(match[0]) & 0xFF:02x}", name)


def from_text(text: str) -> str:
    """The name that `to_text` made `text` of."""
    if "\\" not in text:
        return text
    return _ESCAPED.sub(lambda match: "\\" if match[1] == "5c" else chr(0xDC00 + int(match[1], 16)), text)


def split_member(name: str) -> tuple[str, str]:
    """Key and extension of a tar member: cut at the first dot of the base name.

    Dots at the start of the base name belong to the key, so that hidden files do not all become one sample.

    Returns:
        (key with its directories, extension without the dot); the extension is "" where there is no dot.
    """
    start = name.rfind("/") + 1
    while start < len(name) and name[start] == ".":
        start += 1
    dot = name.find(".", start)
    return (name, "") if dot < 0 else (name[:dot], name[dot + 1 :])


def split_loose(path: str) -> tuple[str, str]:
    """Stem and extension of a loose file: cut at the last dot of the base name; a leading dot is no cut."""
    start = path.rfind("/") + 1
    dot = path.rfind(".")
    return (path, "") if dot <= start else (path[:dot], path[dot + 1 :])


def is_tar_name(path: str) -> bool:
    """Whether the name says that the file is a tar, compressed or not."""
    return path.lower().endswith(TAR_SUFFIXES)


def is_parquet_name(path: str) -> bool:
    """Whether the name says that the file is a Parquet."""
    return path.lower().endswith(PARQUET_SUFFIX)


def is_arrow_name(path: str) -> bool:
    """Whether the name says that the file is an Arrow stream."""
    return path.lower().endswith(ARROW_SUFFIX)


def is_fragment_name(path: str) -> bool:
    """Whether the name says that it is a range of rows of a Lance data set."""
    return path.endswith(FRAGMENT_SUFFIX)


def shard_stem(path: str) -> str:
    """`path` without the suffix that makes it a shard; a tar of another name keeps all of it."""
    lower = path.lower()
    for suffix in sorted((*TAR_SUFFIXES, PARQUET_SUFFIX, ARROW_SUFFIX, FRAGMENT_SUFFIX), key=len, reverse=True):
        if lower.endswith(suffix):
            return path[: -len(suffix)]
    return path


def relative_path(location: str, root: str) -> str:
    """`location` as seen from its input root, as text.

    Args:
        location: Path or URL of a file.
        root: The input that it was found under; "" (or the file itself) where the file is its own root, which
            makes it the bare file name.

    Raises:
        InputError: `location` does not lie under `root`.
    """
    location = _VERSION.sub("", location)
    if not root or location == root:
        return to_text(location.rstrip("/").rsplit("/", 1)[-1])
    prefix = storage.join(root, "")
    if not location.startswith(prefix):
        raise InputError(
            f"it does not lie under its input {root!r}", where=location, act="give the root it was listed from"
        )
    return to_text(location[len(prefix) :])


def beside(location: str, path: str) -> str:
    """What opens the file of relative path `path` that lies in the same directory as the file at `location`."""
    return location[: location.rfind("/") + 1] + from_text(path).rsplit("/", 1)[-1]


def with_name(name: str, path: str) -> str:
    """An id: `path`, behind the input's name where it has one."""
    return f"{name}/{path}" if name else path

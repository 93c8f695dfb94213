"""Lists of image ids: which to allow, to deny, to take down."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import pyarrow as pa
import pyarrow.compute as pc

from nemo_curator import storage
from nemo_curator.errors import InputError
from nemo_curator.shards.parquet import open_parquet

_PARQUET = b"PAR1"
_BLOCK = 65_536  # ids joined at a time for the hash


@dataclass(frozen=True, slots=True, eq=False)
class IdList:
    """A set of image ids, as read from a file.

    Attributes:
        name: The file's base name, for reasons and manifests.
        ids: `(N,)` string array, sorted bytewise, each once.
        sha256: Hex digest of the sorted ids joined by newlines: it depends on the set alone.
    """

    name: str
    ids: pa.StringArray
    sha256: str


def read_id_list(url: str) -> IdList:
    """Read a list of ids: text with one id a line, or a Parquet with a column `image_id`.

    Blank lines, a byte order mark and Windows line ends are taken for what they are; spaces around an id stay,
    because an id may hold some.

    Args:
        url: Path or URL of the file.

    Raises:
        InputError: It cannot be read, is no text in UTF-8, or a Parquet without `image_id`.
    """
    try:
        with storage.open(url) as file:
            parquet = file.read(4) == _PARQUET
            file.seek(0)
            found = _from_parquet(url) if parquet else _from_text(file.read(), url)
    except (OSError, pa.ArrowInvalid) as error:
        raise InputError(
            "this list of ids cannot be read", where=url, cause=str(error), act="check the path and the file"
        ) from None
    unique = pc.unique(found).drop_null()
    ids = unique.take(pc.array_sort_indices(unique))
    return IdList(url.rstrip("/").rpartition("/")[2], ids, _digest(ids))


def _from_text(data: bytes, url: str) -> pa.StringArray:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            "this list of ids is no text in UTF-8",
            where=url,
            cause=f"byte {error.start} does not fit",
            act="write one id a line, or a Parquet with a column image_id",
        ) from None
    lines = (line.removesuffix("\r") for line in text.split("\n"))
    return pa.array([line for line in lines if line.strip()], pa.string())


def _from_parquet(url: str) -> pa.StringArray:
    with open_parquet(url) as parquet:
        if "image_id" not in parquet.schema_arrow.names:
            raise InputError(
                "this Parquet has no column image_id",
                where=url,
                act=f"rename the column of ids; it has {', '.join(parquet.schema_arrow.names)}",
            )
        column = parquet.read(columns=["image_id"])["image_id"].cast(pa.string())
    return cast("pa.StringArray", column.combine_chunks())


def _digest(ids: pa.StringArray) -> str:
    digest = hashlib.sha256()
    for start, block in _blocks(ids):
        digest.update(b"\n" * bool(start) + "\n".join(block).encode())
    return digest.hexdigest()


def _blocks(ids: pa.StringArray) -> Iterator[tuple[int, list[str]]]:
    for start in range(0, len(ids), _BLOCK):
        yield start, [str(one) for one in ids.slice(start, _BLOCK).to_pylist()]

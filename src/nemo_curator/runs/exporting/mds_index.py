"""The index of MDS shards, by which readers find them: one in each folder of shards, a function of what was delivered.

It is written when all shards are there, before the manifest, which lists it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from nemo_curator import storage
from nemo_curator.errors import VerificationError
from nemo_curator.runs.exporting.delivered import DeliveredFile
from nemo_curator.runs.exporting.mds import mds_columns
from nemo_curator.runs.exporting.settings import ENDS
from nemo_curator.runs.exporting.writing import write_unless_there
from nemo_curator.shards.mds_format import HASH, MdsColumn, described

INDEX = "index.json"
"""What it is called."""

_PATH = re.compile(rf"([A-Za-z0-9][A-Za-z0-9_-]{{0,63}}/)?{re.escape(INDEX)}")
_MOST_BYTES = 1 << 28  # of an index; it has under a kilobyte a shard and a few bytes a column of it


def is_index(path: str) -> bool:
    """Whether a path in a data set is that of an index by its name, `index.json` or `train/index.json`."""
    return _PATH.fullmatch(path) is not None


def indexes(files: Sequence[DeliveredFile], columns: Sequence[MdsColumn]) -> dict[str, bytes]:
    """Path of each index to its bytes.

    Args:
        files: The files of a data set.
        columns: The columns of all its shards.
    """
    folders: dict[str, list[dict[str, object]]] = {}
    said = described(columns)
    for one in files:
        folder, _, name = one.name.rpartition("/")
        if name.endswith(ENDS["mds"]):
            raw = {"basename": name, "bytes": one.bytes, "hashes": {HASH: one.sha256}}
            shard = {**said, "raw_data": raw, "samples": one.samples, "zip_data": None}
            folders.setdefault(folder, []).append(dict(sorted(shard.items())))
    return {
        storage.join(folder, INDEX): json.dumps({"shards": shards, "version": 2}, ensure_ascii=False).encode() + b"\n"
        for folder, shards in folders.items()
    }


def indexes_of(output: str, files: Sequence[DeliveredFile]) -> dict[str, bytes]:
    """The same, of a data set whose Parquet files are there; all of them have the same columns.

    Raises:
        VerificationError: The first of them cannot be read.
    """
    first = next((one.name for one in files if one.name.endswith(".parquet")), None)
    if first is None:
        return {}
    location = storage.join(output, first)
    try:
        with storage.open(location) as file:
            columns = mds_columns(pq.read_schema(file))
    except (OSError, pa.ArrowException) as error:
        raise VerificationError(
            "it cannot be read", where=location, cause=str(error), act="look with `imagecurator verify`"
        ) from None
    return indexes(files, columns)


def write_indexes(output: str, files: Sequence[DeliveredFile]) -> list[DeliveredFile]:
    """Write the indexes of a data set; what is there and right stays.

    Args:
        output: The data set.
        files: Its files.

    Raises:
        StorageError: One cannot be written.
        VerificationError: The data set cannot be read.
    """
    written = []
    for name, data in sorted(indexes_of(output, files).items()):
        location = storage.join(output, name)
        write_unless_there(location, data)
        folder = name.rpartition("/")[0]
        samples = sum(
            one.samples for one in files if one.name.endswith(ENDS["mds"]) and one.name.rpartition("/")[0] == folder
        )
        written.append(DeliveredFile(name, hashlib.sha256(data).hexdigest(), len(data), samples))
    return written


def lists_only(location: str, names: Collection[str]) -> bool:
    """Whether a file is an index that lists shards of these base names, and no others."""
    try:
        if storage.stat(location).size > _MOST_BYTES:
            return False
        with storage.open(location) as file:
            shards = json.loads(file.read(_MOST_BYTES))["shards"]
        return bool(shards) and all(one["raw_data"]["basename"] in names for one in shards)
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return False

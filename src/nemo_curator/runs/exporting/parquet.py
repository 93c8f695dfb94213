"""The Parquet of one shard: what is known of its samples and, in one format, their bytes too.

Its metadata say which plan the shard belongs to and what stands beside it: that is all that a resume looks at.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import pyarrow as pa
import pyarrow.parquet as pq

from nemo_curator import storage
from nemo_curator.kernels.source import Member
from nemo_curator.runs.exporting.hashing import HashingFile
from nemo_curator.runs.exporting.making import MADE
from nemo_curator.shards.parquet import read_footer
from nemo_curator.shards.parquet_schema import SHARD

IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
SIDECARS = pa.list_(pa.struct([("name", pa.string()), ("extension", pa.string()), ("bytes", pa.binary())]))
BLOCK_ROWS = 4096
"""Rows of a row group at most."""

BLOCK_BYTES = 32_000_000
"""Bytes of members in a row group at most, unless one sample alone has more."""

# what makes the `datasets` library show the column as pictures; columns that it does not name keep their own types
_FEATURES = json.dumps({"info": {"features": {"image": {"_type": "Image"}}}})
_OWN_BYTES = ("image.bytes", "sidecars.list.element.bytes")  # compressed already, as a rule


def delivered_schema(known: pa.Schema, *, split: bool, with_bytes: bool, made: bool = False) -> pa.Schema:
    """The columns of a shard's Parquet.

    Args:
        known: What is known of a sample.
        split: Whether samples are in splits.
        with_bytes: Whether the bytes are in it.
        made: Whether there are columns about images that are made anew.
    """
    fields = list(known)
    place = [pa.field("shard", pa.string()), *([pa.field("split", pa.string())] if split else [])]
    fields[1:1] = [*place, pa.field("files", pa.list_(pa.string()))]
    fields.insert([one.name for one in fields].index("key") + 1, pa.field("original_key", pa.string()))
    if made:
        at = [one.name for one in fields].index("original_key") + 1
        fields[at:at] = [pa.field(name, kind) for name, kind in MADE.items()]
    if not with_bytes:
        return pa.schema(fields)
    fields += [pa.field("image", IMAGE), pa.field("sidecars", SIDECARS)]
    return pa.schema(fields, metadata={"huggingface": _FEATURES})


@dataclass(slots=True)
class ShardParquet:
    """A Parquet being written.

    Attributes:
        name: Its name in the output.
        rows: Rows in it so far.
        sha256: Hex digest of the file, when it is whole.
        bytes: Its length, then.
        facts: What its metadata say of the shard: `plan`, `samples`, … Set before the end.
    """

    name: str
    schema: pa.Schema
    _writer: pq.ParquetWriter = field(repr=False)
    rows: int = 0
    sha256: str = ""
    bytes: int = 0
    facts: dict[str, Any] = field(default_factory=dict)

    def write(self, table: pa.Table) -> None:
        """Append a row group; nothing is written of an empty table."""
        if table.num_rows:
            self._writer.write_table(table, row_group_size=table.num_rows)
            self.rows += table.num_rows


@contextmanager
def shard_parquet(output: str, name: str, schema: pa.Schema) -> Iterator[ShardParquet]:
    """A Parquet that appears whole at the end of the block, or not at all.

    Raises:
        StorageError: It cannot be written.
    """
    with storage.write_atomic(storage.join(output, name)) as file:
        hashing = HashingFile(file)
        leaves = [leaf for leaf in _leaves(schema) if leaf not in _OWN_BYTES]
        with pq.ParquetWriter(
            cast("Any", hashing),
            schema,
            compression=cast("Any", dict.fromkeys(leaves, "ZSTD") | dict.fromkeys(_OWN_BYTES, "NONE")),
            use_dictionary=cast("Any", leaves),
            write_statistics=cast("Any", leaves),
            write_page_checksum=True,
        ) as writer:
            parquet = ShardParquet(name, schema, writer)
            yield parquet
            text = json.dumps(parquet.facts, sort_keys=True, ensure_ascii=False)
            writer.add_key_value_metadata({SHARD.decode(): text})
        parquet.sha256, parquet.bytes = hashing.sha256, hashing.size


def note_files(output: str, name: str, files: Sequence[str]) -> None:
    """A Parquet without facts, which lists files that may be in a shard's folder while that is being written.

    Raises:
        StorageError: It cannot be written.
    """
    table = pa.table({"files": pa.array([files], pa.list_(pa.string()))}).replace_schema_metadata({SHARD: b"{}"})
    with storage.write_atomic(storage.join(output, name)) as file:
        pq.write_table(table, file, compression="zstd", write_page_checksum=True)


def _leaves(schema: pa.Schema) -> list[str]:
    """Paths of the columns as Parquet stores them."""
    sink = io.BytesIO()
    pq.write_table(schema.empty_table(), sink)
    parquet = pq.ParquetFile(sink).schema
    return [parquet.column(index).path for index in range(len(parquet))]


def shard_facts(location: str) -> dict[str, Any] | None:
    """What a shard's Parquet says of its shard; None where there is no such file, or none of ours.

    Only the end of the file is read.
    """
    try:
        metadata: Mapping[bytes, bytes] = read_footer(location).metadata or {}
        facts = json.loads(metadata[SHARD])
    except (OSError, pa.ArrowException, ValueError, LookupError, RecursionError):
        return None
    return facts if isinstance(facts, dict) else None


def with_places(table: pa.Table, schema: pa.Schema, values: Mapping[str, Sequence[Any] | str]) -> pa.Table:
    """Rows with the columns that say where each sample stands in the output.

    Args:
        table: What is known of the samples.
        schema: The columns of the result.
        values: Column to its values, or to the one value of all.
    """
    columns = []
    for one in schema:
        if one.name in values:
            found = values[one.name]
            column = [found] * table.num_rows if isinstance(found, str) else found
            columns.append(pa.array(column, one.type))
        else:
            columns.append(table[one.name])
    return pa.table(columns, schema=schema)


def images_and_sidecars(
    members: Sequence[Sequence[Member]],
    names: Sequence[Sequence[str]],
    primary: Sequence[int],
    contents: Sequence[Sequence[bytes]],
) -> dict[str, list[Any]]:
    """The columns that hold the bytes: the image as `datasets` wants it, and every other member in order."""
    images: list[Any] = []
    sidecars: list[Any] = []
    for its, files, first, data in zip(members, names, primary, contents, strict=True):
        known = list(zip(its, files, data, strict=True))
        images.append({"bytes": known[first][2], "path": known[first][1]} if first >= 0 else None)
        others = [one for at, one in enumerate(known) if at != first]
        sidecars.append([{"name": name, "extension": one.extension, "bytes": found} for one, name, found in others])
    return {"image": images, "sidecars": sidecars}

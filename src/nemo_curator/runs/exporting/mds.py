"""A delivered sample as a row of MDS: its bytes, what training asks for as columns, and all else as one JSON.

The format has no NULL. A caption that is not there is empty, a size that is not known 0, a score NaN (which no score
ever is), an embedding all NaN; in the JSON what is not known is null.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from nemo_curator.shards.mds_format import MdsColumn
from nemo_curator.shards.mds_reader import MdsFile
from nemo_curator.shards.parquet_values import json_of

_TEXTS = ("caption", "image_id", "key")
_SIZES = {"width": "delivered_width", "height": "delivered_height"}
_OWN = ("files", "image", "row", "sidecars")
_TAKEN = frozenset({*_TEXTS, *_SIZES, *_OWN})
_FLOATS = {"halffloat": ("float16", "<f2"), "float": ("float32", "<f4"), "double": ("float64", "<f8")}


def mds_columns(schema: pa.Schema) -> tuple[MdsColumn, ...]:
    """The columns of an MDS shard, sorted by name.

    Args:
        schema: The columns of the Parquet beside it.
    """
    columns = [MdsColumn(name, "bytes") for name in ("image", "sidecars")]
    columns += [MdsColumn(name, "json") for name in ("files", "row")]
    columns += [MdsColumn(name, "str") for name in _TEXTS]
    columns += [MdsColumn(name, "int", 8) for name in _SIZES]
    for one in schema:
        numbers = _numbers(one)
        if numbers is not None:
            kind, code, count = numbers
            size = np.dtype(code).itemsize * (count or 1)
            columns.append(MdsColumn(one.name, f"ndarray:{kind}:{count}" if count else kind, size))
    return tuple(sorted(columns, key=lambda one: one.name))


def _numbers(column: pa.Field[Any]) -> tuple[str, str, int] | None:
    """(type, its code, how many; 0 for a plain one) of a column of floats that stands by itself; None for others."""
    kind: Any = column.type
    count = 0
    if pa.types.is_fixed_size_list(kind):
        kind, count = kind.value_type, kind.list_size
        if not count:
            return None
    if column.name in _TAKEN or str(kind) not in _FLOATS:
        return None
    return (*_FLOATS[str(kind)], count)


def mds_values(table: pa.Table, contents: Sequence[Sequence[bytes]]) -> Iterator[list[bytes]]:
    """Each row as the encoded values of `mds_columns`.

    Args:
        table: Rows of the Parquet.
        contents: The bytes of each one's files, in their order.
    """
    columns = mds_columns(table.schema)
    table = table.combine_chunks()
    known = {one.name: _encoded(table, one) for one in columns if one.name not in _OWN}
    names = [one.name for one in columns]
    rest = [one for one in table.column_names if one in _SIZES or (one not in known and one != "files")]
    others = {name: table[name] for name in rest}
    files: list[Any] = table["files"].to_pylist()
    firsts: list[Any] = table["primary"].to_pylist()
    for at, data in enumerate(contents):
        own = _bytes(files[at], firsts[at], data)
        own["row"] = json_of({name: column[at] for name, column in others.items()})
        yield [own[name] if name in own else known[name][at] for name in names]


def image_first(count: int, primary: int | None) -> list[int]:
    """The order of a sample's files in a shard: its image, where there is one, and then the others as they came."""
    first = [primary] if primary is not None and 0 <= primary < count else []
    return first + [at for at in range(count) if at not in first]


def _bytes(files: Sequence[str], primary: int | None, data: Sequence[bytes]) -> dict[str, bytes]:
    """The image, the other files one behind another, and the name and length of each of them all."""
    order = image_first(len(files), primary)
    count = int(primary is not None and 0 <= primary < len(files))
    said = [{"name": files[at], "bytes": len(data[at])} for at in order]
    return {
        "image": b"".join(data[at] for at in order[:count]),
        "sidecars": b"".join(data[at] for at in order[count:]),
        "files": json.dumps(said, ensure_ascii=False).encode(),
    }


def files_of(values: Mapping[str, bytes]) -> Iterator[tuple[str, bytes]]:
    """Name and bytes of each file of a sample, its image first.

    Args:
        values: The encoded `image`, `sidecars` and `files`.

    Raises:
        ValueError, LookupError, TypeError: They do not fit together.
    """
    data = values["image"] + values["sidecars"]
    for name, start, size in _spans(values["files"], len(data)):
        yield name, data[start : start + size]


def file_places(shard: MdsFile, index: int) -> dict[str, tuple[int, int]]:
    """Name of each file of a sample to where it begins in the shard, and its length.

    Raises:
        ValueError, LookupError, TypeError: The sample is not as we write it.
    """
    image, others = shard.place(index, "image"), shard.place(index, "sidecars")
    in_image = image[1] - image[0]
    found = {}
    for name, start, size in _spans(shard.value(index, "files"), in_image + others[1] - others[0]):
        if start < in_image < start + size:
            raise ValueError("a file lies in two values")
        found[name] = (image[0] + start if start < in_image else others[0] + start - in_image), size
    return found


def _spans(said: bytes, length: int) -> Iterator[tuple[str, int, int]]:
    """(name, start, length) of each file in so many bytes."""
    start = 0
    for one in json.loads(said):
        name, size = one["name"], one["bytes"]
        if not isinstance(name, str) or type(size) is not int or not 0 <= size <= length - start:
            raise ValueError("its files are not those that it names")
        yield name, start, size
        start += size
    if start != length:
        raise ValueError("it holds more bytes than files")


def _encoded(table: pa.Table, column: MdsColumn) -> list[bytes]:
    """The values of a column that stands by itself."""
    if column.encoding == "str":
        texts = table[column.name].to_pylist() if column.name in table.column_names else [None] * table.num_rows
        return [(one or "").encode() for one in texts]
    if column.encoding == "int":
        there = [name for name in (_SIZES[column.name], column.name) if name in table.column_names]
        if not there:
            return [bytes(8)] * table.num_rows
        found: Any = table[there[0]]
        return _cut(found.fill_null(0).to_numpy().astype("<i8"), 8)
    numbers = _numbers(table.schema.field(column.name))
    assert numbers is not None, "`mds_columns` knows no other encoding"  # noqa: S101
    return _cut(_floats(table[column.name], numbers[1], numbers[2]), column.size or 0)


def _floats(column: pa.ChunkedArray[Any], code: str, count: int) -> np.ndarray[Any, Any]:
    """Floats, `(N,)` or `(N, count)`; NaN where there are none."""
    if not count:
        return np.asarray(column.to_numpy(), dtype=code)
    found = np.full((len(column), count), np.nan, code)
    at = 0
    for chunk in column.chunks:
        there = np.asarray(chunk.is_valid())
        lists: Any = chunk.drop_null()
        found[at : at + len(chunk)][there] = np.asarray(lists.flatten(), dtype=code).reshape(-1, count)
        at += len(chunk)
    return found


def _cut(values: np.ndarray[Any, Any], size: int) -> list[bytes]:
    data = np.ascontiguousarray(values).tobytes()
    return [data[at : at + size] for at in range(0, len(data), size)]

"""A reader of MDS that knows nothing of ours: it goes by the format's description alone, from the index on."""

from __future__ import annotations

import hashlib
import json
import struct
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np


def read_mds(folder: Path) -> list[dict[str, Any]]:
    """Every sample that the index of a folder leads to, decoded; lengths and hashes are looked at on the way."""
    index = json.loads((folder / "index.json").read_text())
    assert index["version"] == 2
    return [sample for shard in index["shards"] for sample in read_shard(folder, shard)]


def read_shard(folder: Path, shard: dict[str, Any]) -> list[dict[str, Any]]:
    """The samples of one shard, as its entry in the index describes it."""
    assert (shard["format"], shard["version"], shard["compression"], shard["zip_data"]) == ("mds", 2, None, None)
    raw = shard["raw_data"]
    data = (folder / raw["basename"]).read_bytes()
    assert len(data) == raw["bytes"]
    assert sorted(raw["hashes"]) == shard["hashes"]
    assert all(hashlib.new(name, data).hexdigest() == value for name, value in raw["hashes"].items())
    (count,) = struct.unpack_from("<I", data)
    assert count == shard["samples"]
    places = struct.unpack_from(f"<{count + 1}I", data, 4)
    head = json.loads(data[4 * (count + 2) : places[0]])
    assert {name: shard[name] for name in head} == head
    assert places[-1] == len(data)
    return [_sample(shard, data[begin:end]) for begin, end in pairwise(places)]


def _sample(shard: dict[str, Any], data: bytes) -> dict[str, Any]:
    """One sample: the lengths that are not fixed, then the values."""
    sizes, at = [], 0
    for size in shard["column_sizes"]:
        if size is None:
            (size,) = struct.unpack_from("<I", data, at)  # noqa: PLW2901 (the format's own step)
            at += 4
        sizes.append(size)
    found = {}
    for name, encoding, size in zip(shard["column_names"], shard["column_encodings"], sizes, strict=True):
        found[name] = _decoded(encoding, data[at : at + size])
        at += size
    assert at == len(data)
    return found


def _decoded(encoding: str, data: bytes) -> Any:
    """A value as its encoding says."""
    kind, _, rest = encoding.partition(":")
    if kind == "bytes":
        return data
    if kind == "str":
        return data.decode()
    if kind == "json":
        return json.loads(data)
    if kind == "int":
        return struct.unpack("<q", data)[0]
    if kind == "ndarray":
        dtype, _, shape = rest.partition(":")
        return np.frombuffer(data, np.dtype(dtype).newbyteorder("<")).reshape([int(one) for one in shape.split(",")])
    (value,) = np.frombuffer(data, np.dtype(kind).newbyteorder("<"))
    return value


def files_of(sample: dict[str, Any]) -> dict[str, bytes]:
    """The files of a sample by name, as our documentation says where they are."""
    data, found = sample["image"] + sample["sidecars"], {}
    for one in sample["files"]:
        found[one["name"]], data = data[: one["bytes"]], data[one["bytes"] :]
    assert not data
    return found

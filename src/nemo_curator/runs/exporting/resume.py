"""Which shards of a plan are there already."""

from __future__ import annotations

import hashlib
from typing import Any, cast

import pyarrow as pa

from nemo_curator import storage
from nemo_curator.runs.exporting.arranging import PlannedShard
from nemo_curator.runs.exporting.copying import members_of
from nemo_curator.runs.exporting.delivered import DeliveredFile, DeliveredShard, Missing
from nemo_curator.runs.exporting.making import MADE, delivered_members
from nemo_curator.runs.exporting.parquet import shard_facts
from nemo_curator.runs.exporting.settings import Format
from nemo_curator.runs.exporting.shards import ShardPlace, folder_files
from nemo_curator.shards.names import from_text
from nemo_curator.shards.parquet import read_table


def done_shard(place: ShardPlace, shard: PlannedShard, form: Format) -> DeliveredShard | None:
    """The shard as it is there, whole and of this very plan; None where it must be written.

    A shard that some samples are missing from is never done: they may be back.

    Args:
        place: Where it goes, and the plan.
        shard: What it holds.
        form: How it is written.
    """
    facts = shard_facts(storage.join(place.output, place.parquet)) or {}
    failed = _failed(facts)
    samples = shard.samples - len(failed)
    if (facts.get("plan"), facts.get("samples")) != (place.plan, samples) or "removed" in facts:
        return None
    rows = file_as_it_is(place.output, place.parquet, samples)
    if rows is None:
        return None
    body = rows if form == "parquet" else recorded_body(place, facts, form)
    if body is None:
        return None
    files = (rows,) if form == "parquet" else (body, rows)
    return DeliveredShard(place.split, samples, body.bytes, files, (), failed, int(facts.get("rendered", 0)))


def _failed(facts: dict[str, Any]) -> tuple[Missing, ...]:
    """Samples whose images could not be made anew, as a shard's Parquet lists them."""
    try:
        return tuple(Missing(str(one["image_id"]), str(one["reason"])) for one in facts.get("failed", ()))
    except (LookupError, TypeError):
        return ()


def recorded_body(place: ShardPlace, facts: dict[str, Any], form: Format) -> DeliveredFile | None:
    """What a shard's Parquet says of the tar or folder beside it, where that is there and as long as it should be."""
    try:
        size, sha256 = int(facts["data"]["bytes"]), str(facts["data"]["sha256"])
        samples = int(facts["samples"])
    except (LookupError, TypeError, ValueError):
        return None
    there = _folder_is_whole(place) if form == "folder" else _size(place, form) == size
    return DeliveredFile(place.file_of(form), sha256, size, samples) if there else None


def file_as_it_is(output: str, name: str, samples: int) -> DeliveredFile | None:
    """A file's hash and length, by reading it; None where it cannot be read."""
    location = storage.join(output, name)
    try:
        with storage.open(location) as file:
            digest = hashlib.file_digest(cast("Any", file), "sha256")
        return DeliveredFile(name, digest.hexdigest(), storage.stat(location).size, samples)
    except OSError:
        return None


def _size(place: ShardPlace, form: Format) -> int:
    try:
        return storage.stat(storage.join(place.output, place.file_of(form))).size
    except OSError:
        return -1


def _folder_is_whole(place: ShardPlace) -> bool:
    """Whether a shard's folder has its files, each as long as it should be; others in it are not ours to judge."""
    root = storage.join(place.output, place.name)
    try:
        table = read_table(storage.join(place.output, place.parquet), ["files", "members", "primary", *MADE])
        files: Any = table["files"].combine_chunks()
        firsts: Any = table["primary"]
        primary: list[int] = firsts.fill_null(-1).to_pylist()
        members = delivered_members(table, members_of(table), primary)
    except (OSError, pa.ArrowException, LookupError):
        return False
    names = files.flatten().to_pylist()
    lengths = [one.length for its in members for one in its]
    if len(names) != len(lengths):
        return False
    expected = {storage.join(root, from_text(name)): length for name, length in zip(names, lengths, strict=True)}
    return expected.items() <= {stored.url: stored.size for stored in folder_files(root)}.items()

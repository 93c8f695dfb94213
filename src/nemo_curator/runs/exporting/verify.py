"""Whether a delivered data set is what its manifest says, and whether its sources still hold the same bytes.

Shards are checked in some threads, each by one; what they find is put together by the thread that calls, in order.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast, get_args

import numpy as np
import pyarrow as pa

from nemo_curator import storage
from nemo_curator.errors import CuratorError, MissingInputError
from nemo_curator.runs.exporting.croissant import NAME as CROISSANT
from nemo_curator.runs.exporting.delivered import DeliveredFile
from nemo_curator.runs.exporting.findings import Problems, Verification
from nemo_curator.runs.exporting.manifest import (
    DOCUMENTS,
    INDEXES,
    MANIFEST,
    REMOVING,
    delivered,
    index_names,
    leftovers,
    own_documents,
    shard_stem,
)
from nemo_curator.runs.exporting.mds_index import indexes_of
from nemo_curator.runs.exporting.settings import ENDS, Format
from nemo_curator.runs.exporting.shard_check import Digests, ListedShard, ShardFindings, check_shard, digests, leads_out
from nemo_curator.runs.exporting.source_check import check_samples_at_their_sources
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.state import read_facts
from nemo_curator.shards.names import to_text
from nemo_curator.shards.parquet import read_table

_THREADS = 4


def verify(
    output: str, run: RunDirectory | None = None, progress: Callable[[int], None] = lambda _: None
) -> Verification:
    """Check a delivered data set against its manifest, against itself and, with its run, against its sources.

    Every file must be there with its length and hash, every member must have the hash that its row lists, no sample
    may be there twice, the counts must add up, and no other file may bear a name of ours. Nothing outside the data set
    is read but the run and its sources, and nothing is written.

    Args:
        output: The data set.
        run: Its run directory, for comparing with the sources; None for the data set alone.
        progress: Called with the number of samples checked since the last call.

    Raises:
        MissingInputError: There is nothing at `output`, or nothing of a data set.
    """
    if not storage.is_directory(output) and storage.is_local(output):
        raise MissingInputError("there is no data set", where=output, act="check the path")
    problems = Problems()
    manifest = delivered(output)
    if manifest is None:
        _refuse_other_folder(output)
        problems.add(f"{MANIFEST}: it is missing, or none of imagecurator")
        return Verification(problems=tuple(problems.told), problem_count=problems.count)
    if REMOVING in manifest:
        problems.add(f"{MANIFEST}: taking samples out was interrupted; run the same `remove` again")
    form = manifest.get("format")
    if form not in get_args(Format):
        problems.add(f"{MANIFEST}: {str(form)[:100]!r} is no format")
        return Verification(problems=tuple(problems.told), problem_count=problems.count)
    shards = listed_shards(manifest, problems)
    found: list[ShardFindings] = []
    with ThreadPoolExecutor(min(_THREADS, os.cpu_count() or 1)) as pool:
        for one in pool.map(lambda shard: check_shard(output, shard, cast("Format", form)), shards):
            problems.extend(one.problems)
            found.append(one)
            progress(one.samples)
    _check_counts(manifest, shards, found, problems)
    _check_twice(output, shards, found, problems)
    _check_others(output, manifest, problems)
    _check_documents(output, manifest, problems)
    if form == "mds":
        _check_indexes(output, manifest, shards, problems)
    compared, rendered, elsewhere = 0, 0, Problems()
    if run is not None:
        contents = np.concatenate([np.zeros((0, 2), np.uint64), *(one.contents for one in found)])
        anew = np.concatenate([np.zeros(0, np.bool_), *(one.rendered for one in found)])
        compared, rendered = check_samples_at_their_sources(run, contents, anew, elsewhere)
    return Verification(
        shards=len(shards),
        samples=sum(one.samples for one in found),
        bytes=sum(one.bytes for one in found),
        problems=tuple(problems.told),
        problem_count=problems.count,
        compared=compared,
        source_problems=tuple(elsewhere.told),
        source_problem_count=elsewhere.count,
        rendered=rendered,
    )


def _refuse_other_folder(output: str) -> None:
    """Refuse a folder without a manifest of ours that is no data set which lost it, or whose manifest is damaged.

    Raises:
        MissingInputError: It is a run directory, or holds no `manifest.json` and no shard by its name.
    """
    if read_facts(RunDirectory(output)) is not None:
        above = output.rstrip("/").rpartition("/")[0]
        near = (
            f"did you mean {above}?" if above and delivered(above) is not None else "name what `export` or `run` wrote"
        )
        raise MissingInputError("this is a run directory, and not a data set", where=output, act=near)
    try:
        paths = _paths(output)
    except OSError:
        return
    if MANIFEST not in paths and not leftovers(paths, ()):
        raise MissingInputError(
            f"this is no data set: it holds no {MANIFEST} of imagecurator, and no shard",
            where=output,
            act="name the OUTPUT of `export` or `run`",
        )


def listed_shards(manifest: dict[str, Any], problems: Problems) -> list[ListedShard]:
    """The shards that a manifest lists; what is none of ours becomes a problem and is not looked at."""
    form = manifest["format"]
    end = ENDS[form]
    files: dict[str, DeliveredFile] = {}
    for one in manifest["files"]:
        name = one["name"]
        stem = shard_stem(name)
        known = stem is not None and name in (f"{stem}{end}", f"{stem}.parquet")
        numbers = [one.get("bytes"), one.get("samples")]
        typed = isinstance(one.get("sha256"), str) and all(type(value) is int for value in numbers)
        if not known or not typed or name in files:
            problems.add(f"{MANIFEST}: {name[:200]!r} is no entry of ours")
            continue
        files[name] = DeliveredFile(name, one["sha256"], one["bytes"], one["samples"])
    shards: list[ListedShard] = []
    for stem in dict.fromkeys(shard_stem(name) or "" for name in files):
        rows, body = files.get(f"{stem}.parquet"), files.get(f"{stem}{end}")
        if rows is None or body is None:
            problems.add(f"{MANIFEST}: the shard {stem} is not listed whole")
        else:
            shards.append(ListedShard(stem, rows, body))
    return shards


def _check_counts(
    manifest: dict[str, Any], shards: list[ListedShard], found: list[ShardFindings], problems: Problems
) -> None:
    """The manifest's own sums."""
    splits: Counter[str] = Counter(dict.fromkeys(_mapping(manifest.get("splits")), 0))
    for shard in shards:
        split = shard.name.rpartition("/")[0]
        if split:
            splits[split] += shard.body.samples
    sums = {
        "samples": sum(shard.body.samples for shard in shards),
        "bytes": sum(shard.body.bytes for shard in shards),
        "splits": dict(splits),
    }
    for name, value in sums.items():
        if manifest.get(name) != value:
            problems.add(f"{MANIFEST}: its {name} are {str(manifest.get(name))[:100]}, its files add up to {value}")
    if not problems.count and sum(one.samples for one in found) != sums["samples"]:
        problems.add(f"{MANIFEST}: its samples are not those of its files")


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _check_twice(output: str, shards: list[ListedShard], found: list[ShardFindings], problems: Problems) -> None:
    """No sample is there twice."""
    ids = np.concatenate([np.zeros((0, 2), np.uint64), *(one.ids for one in found)])
    order = np.lexsort((ids[:, 1], ids[:, 0]))
    same = (ids[order[1:]] == ids[order[:-1]]).all(axis=1)
    if not same.any():
        return
    twice = np.unique(ids[order[1:][same]], axis=0)
    for image_id in _ids_of(output, shards, found, twice):
        problems.add(f"{image_id}: the sample is there twice")


def _ids_of(output: str, shards: list[ListedShard], found: list[ShardFindings], wanted: Digests) -> Iterator[str]:
    """The ids with these digests, each once."""
    left = {tuple(one) for one in wanted.tolist()}
    for shard, one in zip(shards, found, strict=True):
        if left.isdisjoint(map(tuple, one.ids.tolist())):
            continue
        try:
            found_ids = read_table(storage.join(output, shard.rows.name), ["image_id"])["image_id"]
            ids = [str(image_id) for image_id in found_ids.to_pylist()]
        except (OSError, pa.ArrowException, LookupError):
            continue
        for image_id, digest in zip(ids, digests(ids).tolist(), strict=True):
            if tuple(digest) in left:
                left.remove(tuple(digest))
                yield image_id


def _check_documents(output: str, manifest: dict[str, Any], problems: Problems) -> None:
    """What programs read is as it was written; the card is for people, who may edit it."""
    listed = [one for one in manifest.get(DOCUMENTS) or () if isinstance(one, dict)]
    if any(one.get("name") == CROISSANT for one in listed) and CROISSANT not in own_documents(output, manifest):
        problems.add(f"{CROISSANT}: it is not as it was written")


def _check_indexes(output: str, manifest: dict[str, Any], shards: list[ListedShard], problems: Problems) -> None:
    """The indexes are those of the shards that the manifest lists, and it lists them."""
    try:
        wanted = indexes_of(output, [file for shard in shards for file in (shard.body, shard.rows)])
    except CuratorError:
        return  # the shard says that its Parquet is damaged
    if sorted(wanted) != sorted(index_names(manifest)):
        problems.add(f"{MANIFEST}: its {INDEXES} are not those of its shards")
    for name, data in wanted.items():
        location = storage.join(output, name)
        try:
            if leads_out(output, location):
                problems.add(f"{name}: it is a link that leads out of the data set")
                continue
            with storage.open(location) as file:
                same = file.read(len(data) + 1) == data
        except FileNotFoundError:
            problems.add(f"{name}: it is missing")
        except OSError as error:
            problems.add(f"{name}: it cannot be read ({error.strerror or error})")
        else:
            if not same:
                problems.add(f"{name}: it is not the index of these shards")


def _check_others(output: str, manifest: dict[str, Any], problems: Problems) -> None:
    """No file bears a name of ours without being listed."""
    try:
        paths = _paths(output)
    except OSError as error:
        problems.add(f"the data set cannot be listed ({error.strerror or error})")
        return
    for path in leftovers(paths, {one["name"] for one in manifest["files"]}):
        problems.add(f"{to_text(path)}: the manifest does not list it")


def _paths(output: str) -> list[str]:
    """Every file of a folder, by its path in it."""
    prefix = storage.join(output, "")
    return [stored.url.removeprefix(prefix) for stored in storage.list(output)]

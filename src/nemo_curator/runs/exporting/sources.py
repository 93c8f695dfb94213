"""The files that kept samples lie in: where each is, and whether all are there before anything is written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from nemo_curator import storage
from nemo_curator.errors import InputError
from nemo_curator.runs.exporting.arranging import Numbers, PlannedShard
from nemo_curator.runs.exporting.plan import ExportPlan
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.parts import read_part
from nemo_curator.shards.entry import Entry
from nemo_curator.shards.lance_fragments import lance_trouble
from nemo_curator.shards.partitioning import Partition

_NAMED = 5  # sources that a sentence lists at most
_ASKED = 16  # remote files that are asked about at the same time


def needed_samples(plan: ExportPlan, shards: Iterable[PlannedShard]) -> npt.NDArray[np.bool_]:
    """`(N,)` whether each kept sample is in one of these shards."""
    needed = np.zeros(plan.samples, np.bool_)
    for shard in shards:
        needed[plan.order[shard.start : shard.stop]] = True
    return needed


def needed_partitions(plan: ExportPlan, needed: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """`(P,)` whether each partition has such a sample."""
    counts = np.concatenate([np.zeros(1, np.int64), np.cumsum(needed)])
    return np.diff(counts[plan.starts]) > 0


def check_sources(
    run: RunDirectory, partitions: Sequence[Partition], plan: ExportPlan, needed: npt.NDArray[np.bool_]
) -> None:
    """Make sure, before anything is written, that every source is there and as long as it was.

    Raises:
        InputError: Some are not; it names the first of them.
    """
    entries = _needed_entries(run, partitions, plan, needed)
    with ThreadPoolExecutor(_ASKED) as pool:
        ask: Callable[[Callable[[Entry], str], Iterable[Entry]], Iterable[str]]
        ask = map if all(storage.is_local(one.location) for one in entries) else pool.map
        found = [sentence for sentence in ask(_trouble, entries) if sentence]
    if found:
        more = f" and {len(found) - _NAMED:,} more" if len(found) > _NAMED else ""
        raise InputError(
            f"{len(found):,} of {len(entries):,} source files are not what was scored: "
            f"{', '.join(found[:_NAMED])}{more}",
            act="bring them back and run the same command again; or score what changed with `run` or `score` and "
            "--rescore; or leave out what is missing with --skip-missing",
        )


def _needed_entries(
    run: RunDirectory, partitions: Sequence[Partition], plan: ExportPlan, needed: npt.NDArray[np.bool_]
) -> list[Entry]:
    found: list[Entry] = []
    for owner in np.flatnonzero(needed_partitions(plan, needed)).tolist():
        entries = partitions[owner].entries
        if len(entries) == 1:
            found += entries
            continue
        first, last = plan.starts[owner : owner + 2].tolist()
        rows = plan.positions[first:last][needed[first:last]]
        sources = read_part(run, partitions[owner].id, ["source"])["source"].to_numpy()
        wanted = set(sources[rows])
        found += [entry for entry in entries if entry.path in wanted]
    return found


def _trouble(entry: Entry) -> str:
    """What is wrong with a source, in some words; "" where nothing is."""
    if entry.kind == "lance":
        trouble = lance_trouble(entry)
        return f"{entry.location} ({trouble})" if trouble else ""
    try:
        stored = storage.stat(entry.location)
    except FileNotFoundError:
        return f"{entry.location} (gone)"
    except OSError as error:
        return f"{entry.location} ({error.strerror or error})"
    if entry.size >= 0 and stored.size != entry.size:
        return f"{entry.location} ({stored.size:,} bytes instead of {entry.size:,})"
    return ""


def locations(partitions: Sequence[Partition], owners: Numbers, sources: Sequence[str]) -> Iterator[str]:
    """The place of each sample's file.

    Args:
        partitions: All partitions.
        owners: Index of each sample's partition.
        sources: Path of each sample's file, relative to its input.
    """
    known: dict[int, dict[str, str]] = {}
    for owner, source in zip(owners.tolist(), sources, strict=True):
        if owner not in known:
            known[owner] = {entry.path: entry.location for entry in partitions[owner].entries}
        yield known[owner][source]

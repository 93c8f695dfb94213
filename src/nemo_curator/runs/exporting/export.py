"""The kept samples' own bytes, copied from their sources into shards: planned first, resumed where it stopped.

The thread that calls reads sources and checks hashes; one thread a shard under way writes, hashes and syncs it. Two
shards are under way at most: one is filled while the one before it reaches the disk. They share a `Feed` each and
nothing else.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

from nemo_curator import storage
from nemo_curator.errors import ConservationError
from nemo_curator.kernels.source import Member
from nemo_curator.runs.exporting.arranging import PlannedShard
from nemo_curator.runs.exporting.copying import Block, Piece, block_of, contents, spans, strings_of
from nemo_curator.runs.exporting.delivered import DeliveredShard, Exported
from nemo_curator.runs.exporting.documents import remove_documents
from nemo_curator.runs.exporting.feed import AbandonedError, Feed
from nemo_curator.runs.exporting.making import Contents, Made, made_in_order
from nemo_curator.runs.exporting.manifest import MANIFEST, delivered
from nemo_curator.runs.exporting.mds_index import INDEX, write_indexes
from nemo_curator.runs.exporting.names import ShardNames
from nemo_curator.runs.exporting.parquet import BLOCK_BYTES, BLOCK_ROWS
from nemo_curator.runs.exporting.plan import ExportPlan, plan_export
from nemo_curator.runs.exporting.resume import done_shard
from nemo_curator.runs.exporting.rows import KeptRows
from nemo_curator.runs.exporting.settings import ExportSettings
from nemo_curator.runs.exporting.shards import ShardPlace, write_shard
from nemo_curator.runs.exporting.sources import check_sources, locations, needed_partitions, needed_samples
from nemo_curator.runs.exporting.unpacking import Unpacked
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.rendering import RenderPool, render_workers
from nemo_curator.shards.fetch import MemberReader
from nemo_curator.shards.partitioning import Partition

_HANDED = 1 << 21  # bytes that are handed over at a time
_UNDER_WAY = 2

Handed = Feed[Block | Piece]
Place = tuple[str, Sequence[Member]]
Progress = Callable[[int], None]


def export(
    run: RunDirectory,
    partitions: Sequence[Partition],
    output: str,
    settings: ExportSettings,
    *,
    plan: ExportPlan | None = None,
    skip_missing: bool = False,
    progress: Progress = lambda _: None,
    workers: int | None = None,
    memory: int | None = None,
) -> Exported:
    """Write the kept samples into shards; shards of the same plan that are there already stay as they are.

    A manifest of an earlier data set is removed before anything is written. Where it is of the same plan, with samples
    missing, everything that is needed is read once before that, so that an error leaves the data set as it was. Killed
    at any moment, the same call again ends in the same bytes.

    Args:
        run: The run, decided.
        partitions: Its partitions, in source order.
        output: Folder or URL to write into; it is the caller's to claim it.
        settings: How the samples are written.
        plan: What `plan_export` found, where that is known already and the run has been held since.
        skip_missing: Leave out samples whose bytes are gone or changed, and say which, instead of stopping.
        progress: Called with the number of samples dealt with since the last call.
        workers: Processes that make images anew, where that is asked for; one a core by default.
        memory: Bytes that all processes may take together; there are no more of these than it has room for.

    Raises:
        InputError: The run is not decided, or a source is gone or holds other bytes than were scored.
        StorageError: A file cannot be written.
        ConservationError: The samples do not add up.
    """
    plan = plan or plan_export(run, partitions, settings)
    names = _names_in(output, plan.shards)
    places = {shard.name: _place(output, plan, shard, names) for shard in plan.shards}
    there: dict[str, DeliveredShard] = {}
    for shard in plan.shards:
        place = places[shard.name]
        found = None if place.is_new else done_shard(place, shard, settings.format)
        if found is not None:
            there[shard.name] = found
            progress(shard.samples)
    missing = [shard for shard in plan.shards if shard.name not in there]
    needed = needed_samples(plan, missing)
    if not skip_missing:
        check_sources(run, partitions, plan, needed)
    with (
        Unpacked(run, partitions, plan, needed, skip=skip_missing) as unpacked,
        KeptRows(run, list(partitions), plan, needed_partitions(plan, needed)) as rows,
        MemberReader(dict.fromkeys(unpacked.locations, unpacked.read_at)) as reader,
        ExitStack() as stack,
    ):
        copier = _Copier(plan, partitions, rows, unpacked, reader, skip=skip_missing)
        if settings.rendition is not None:
            copier.pool = stack.enter_context(
                RenderPool(settings.rendition, render_workers(settings.rendition, workers, memory))
            )
        if missing and not skip_missing and _is_of(plan, delivered(output)):
            copier.read(missing)  # gaps are filled: what is there stays if that is not possible
        _retire_manifest(output, plan, whole=not missing)
        for shard, written in zip(missing, copier.write(missing, places, progress), strict=True):
            there[shard.name] = written
    exported = Exported(settings.format, plan.fingerprint, written=len(missing))
    exported.splits = dict.fromkeys(plan.splits, 0)
    exported.add(there[shard.name] for shard in plan.shards)
    if settings.format == "mds":
        exported.indexes = write_indexes(output, exported.files)
    _check(plan, exported)
    return exported


def _place(output: str, plan: ExportPlan, shard: PlannedShard, names: Collection[str]) -> ShardPlace:
    makes = plan.settings.rendition is not None
    place = ShardPlace(output, shard.name, shard.split, plan.fingerprint, plan.schema, makes=makes)
    return replace(place, is_new=place.parquet not in names)


def _names_in(output: str, shards: Sequence[PlannedShard]) -> frozenset[str]:
    """What lies where shards will, by a listing of each folder: to ask for every shard would take longer."""
    found: set[str] = set()
    for folder in {shard.name.rpartition("/")[0] for shard in shards}:
        with suppress(OSError):  # there is nothing
            there = storage.list(storage.join(output, folder) if folder else output, recursive=False)
            found.update(f"{folder}/{PurePosixPath(one.url).name}".lstrip("/") for one in there)
    return frozenset(found)


def _retire_manifest(output: str, plan: ExportPlan, *, whole: bool) -> None:
    """Remove a manifest that would not be true of what is going to be written, and first what it alone says is ours."""
    if not whole or not _is_of(plan, delivered(output)):
        remove_documents(output)
        storage.remove(storage.join(output, MANIFEST))
    if not whole and plan.settings.format == "mds":  # an index of shards that are being replaced is not true
        for folder in plan.splits or {"": 0}:
            storage.remove(storage.join(output, folder, INDEX))


def _is_of(plan: ExportPlan, manifest: dict[str, Any] | None) -> bool:
    return manifest is not None and manifest.get("export") == plan.fingerprint


def _check(plan: ExportPlan, exported: Exported) -> None:
    if exported.samples + len(exported.missing) + len(exported.failed) != plan.samples:
        raise ConservationError(
            f"{plan.samples} kept samples became {exported.samples} delivered, {len(exported.missing)} missing and "
            f"{len(exported.failed)} failed ones",
            cause="this is a fault of imagecurator, not of your data",
            act="keep the run directory and report it",
        )


class _Copier:
    """What reads the samples of shards and hands them to the threads that write."""

    def __init__(
        self,
        plan: ExportPlan,
        partitions: Sequence[Partition],
        rows: KeptRows,
        unpacked: Unpacked,
        reader: MemberReader,
        *,
        skip: bool,
    ) -> None:
        self._plan, self._partitions, self._rows = plan, partitions, rows
        self._unpacked, self._reader, self._skip = unpacked, reader, skip
        self.pool: RenderPool | None = None
        """What makes images anew, where that is asked for."""

    def write(
        self, shards: Sequence[PlannedShard], places: dict[str, ShardPlace], progress: Progress
    ) -> Iterator[DeliveredShard]:
        """Write shards, in their order; yields each when it is on the disk."""
        under_way: deque[tuple[Handed, Future[DeliveredShard]]] = deque()
        form = self._plan.settings.format
        with ThreadPoolExecutor(_UNDER_WAY) as pool:
            try:
                for shard in shards:
                    if len(under_way) == _UNDER_WAY:
                        yield under_way.popleft()[1].result()
                    feed = Handed()
                    under_way.append((feed, pool.submit(_write, places[shard.name], form, feed)))
                    try:
                        self._fill(feed, shard, progress)
                    except AbandonedError:  # the thread that writes failed; its error is the result
                        for _, future in under_way:
                            future.result()
                        raise
                while under_way:
                    yield under_way.popleft()[1].result()
            finally:
                for feed, _ in under_way:
                    feed.abandon()

    def read(self, shards: Sequence[PlannedShard]) -> None:
        """Make sure that every sample of these shards can be had, by reading it."""
        for shard in shards:
            for block, places in self._blocks(shard):
                deque(contents(self._reader, block, places, skip=False), maxlen=0)

    def _fill(self, feed: Handed, shard: PlannedShard, progress: Progress) -> None:
        """Hand over the samples of a shard, block after block."""
        for block, places in self._blocks(shard):
            feed.put(block, block.table.nbytes)
            piece, size = Piece(0, []), 0
            for found, made in self._delivered(block, places):
                piece.contents.append(found)
                if made is not None:
                    piece.made.append(made)
                size += sum(map(len, found)) if isinstance(found, list) else 0
                if size >= _HANDED:
                    feed.put(piece, size)
                    progress(len(piece.contents))
                    piece, size = Piece(piece.start + len(piece.contents), []), 0
            feed.put(piece, size)
            progress(len(piece.contents))
        feed.end()

    def _delivered(self, block: Block, places: list[Place]) -> Iterator[tuple[Contents, Made | None]]:
        """What leaves of each sample, and what its image is then, where images are made anew."""
        found = contents(self._reader, block, places, skip=self._skip)
        if self.pool is None:
            yield from ((one, None) for one in found)
        else:
            yield from made_in_order(found, block.aims, self.pool)

    def _blocks(self, shard: PlannedShard) -> Iterator[tuple[Block, list[Place]]]:
        """(block, the location of each of its samples and the members as they lie there)."""
        taken = ShardNames()
        order = self._plan.order[shard.start : shard.stop]
        for start, stop in spans(self._plan.lengths[order], BLOCK_ROWS, BLOCK_BYTES):
            numbers = order[start:stop]
            table, owners = self._rows.take(numbers)
            block = block_of(table, taken, self._plan.settings.rendition)
            members = [
                self._unpacked.members(number, its) for number, its in zip(numbers.tolist(), block.members, strict=True)
            ]
            files = locations(self._partitions, owners, strings_of(table, "source"))
            yield block, list(zip(files, members, strict=True))


def _write(place: ShardPlace, form: str, feed: Handed) -> DeliveredShard:
    """Write one shard, in a thread of its own; whoever fills the feed learns of a failure."""
    try:
        return write_shard(place, form, feed)  # type: ignore[arg-type]  # a format of the settings
    except BaseException:
        feed.abandon()
        raise

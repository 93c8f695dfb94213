"""The plan of an export: from verdicts and the parts' numbers to shards, before a byte is copied."""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import IO, Any, Self, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from nemo_curator import storage
from nemo_curator.errors import IncompleteRunError, InputError
from nemo_curator.runs.exporting.arranging import Keys, Numbers, PlannedShard, arrange, shuffle_keys
from nemo_curator.runs.exporting.settings import ExportSettings
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.lying_there import embeddings_there
from nemo_curator.runs.parts import ERROR, check_columns
from nemo_curator.shards.parquet import open_parquet, read_footer
from nemo_curator.shards.partitioning import Partition

_FORMAT = "imagecurator-shards-1"  # another layout of shards gets another number here
_SPLIT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_AT_ONCE = 4  # partitions elsewhere whose files are asked for at once
_IN_MEMORY = 1 << 23  # bytes of a part that are held in memory
_PIECE = 1 << 20
_LENGTHS = "members.list.element.length"
_NOT_DELIVERED = frozenset({*ERROR, "ordinal"})


@dataclass(frozen=True, slots=True, eq=False)
class ExportPlan:
    """What an export of a decided run is going to write.

    Attributes:
        settings: How the samples are written.
        fingerprint: Hash of the verdicts, of the parts and embeddings, which know every member's hash and every
            delivered value, and of the settings.
        samples: Samples to write.
        bytes: Bytes of their members.
        shards: The shards, in the order in which they are written.
        schema: What is known of a sample: the columns of the parts that are delivered.
        starts: `(P + 1,)` number of kept samples before each partition, and of all.
        positions: `(N,)` row of each kept sample in its part; samples are numbered in source order.
        lengths: `(N,)` bytes of its members.
        order: `(N,)` numbers of the samples in export order.
    """

    settings: ExportSettings
    fingerprint: str
    samples: int
    bytes: int
    shards: tuple[PlannedShard, ...]
    schema: pa.Schema = field(repr=False)
    starts: Numbers = field(repr=False)
    positions: Numbers = field(repr=False)
    lengths: Numbers = field(repr=False)
    order: Numbers = field(repr=False)

    @property
    def splits(self) -> dict[str, int]:
        """Name of each split to its number of samples; empty without splits."""
        counts: Counter[str] = Counter()
        for shard in self.shards:
            counts[shard.split] += shard.samples
        counts.pop("", None)
        return dict(counts)


def plan_export(run: RunDirectory, partitions: Sequence[Partition], settings: ExportSettings) -> ExportPlan:
    """Plan the export of a decided run.

    It reads the verdicts, and of each part the ids and the lengths of members; it holds numbers only. Parts and
    embeddings are hashed as files.

    Args:
        run: The run, decided.
        partitions: Its partitions, in source order.
        settings: How the samples are written.

    Raises:
        IncompleteRunError: The run is not decided.
        InputError: Its decisions are not about the records that it has.
    """
    scan = _Scan(settings)
    digest = hashlib.sha256(f"{_FORMAT}\n{json.dumps(settings.facts, sort_keys=True)}\n".encode())
    with _Verdicts(run) as verdicts:
        digest.update(verdicts.digest)
        embedded = embeddings_there(run)
        for partition, hashed in zip(partitions, _hashed(run, partitions, embedded), strict=True):
            with hashed.opened(run.part(partition.id)) as part:
                check_columns(part, run.part(partition.id))
                scan.add(part, verdicts)
            digest.update(f"{partition.id}\n".encode() + hashed.part)
            if hashed.embeddings is not None:
                digest.update(b"embeddings" + hashed.embeddings)
        verdicts.finish()
    codes, names = scan.splits()
    lengths = np.concatenate([np.zeros(0, np.int64), *scan.lengths])
    keys = None if settings.shuffle is None else np.concatenate([np.zeros((0, 2), np.uint64), *scan.keys])
    order, shards = arrange(lengths, codes, names, keys, settings)
    return ExportPlan(
        settings=settings,
        fingerprint=digest.hexdigest()[:16],
        samples=len(lengths),
        bytes=int(lengths.sum()),
        shards=tuple(shards),
        schema=_schema(run, [one.id for one in partitions if one.id in embedded], scan.schemas),
        starts=np.cumsum([0, *scan.counts], dtype=np.int64),
        positions=np.concatenate([np.zeros(0, np.int64), *scan.positions]),
        lengths=lengths,
        order=order,
    )


class _Scan:
    """Numbers of the kept samples, gathered part after part."""

    def __init__(self, settings: ExportSettings) -> None:
        self._settings = settings
        self.schemas: list[pa.Schema] = []
        self.counts: list[int] = []
        self.positions: list[Numbers] = []
        self.lengths: list[Numbers] = []
        self.keys: list[Keys] = []
        self._codes: list[np.ndarray[Any, np.dtype[np.int16]]] = []
        self._names: dict[str, int] = {}

    def add(self, part: pq.ParquetFile, verdicts: _Verdicts) -> None:
        """Take in one part."""
        if not self.schemas or not self.schemas[-1].equals(part.schema_arrow):
            self.schemas.append(part.schema_arrow)
        table = part.read(columns=["image_id", _LENGTHS])
        decided = verdicts.take(table.num_rows)
        if not decided["image_id"].equals(table["image_id"]):
            raise verdicts.stale()
        keep: Any = cast("Any", pc.equal(decided["verdict"], pa.scalar("keep"))).combine_chunks()
        kept = np.flatnonzero(keep.to_numpy(zero_copy_only=False))
        self.counts.append(len(kept))
        self.positions.append(kept)
        self.lengths.append(_totals(table["members"])[kept])
        if self._settings.shuffle is not None:
            ids = table["image_id"].combine_chunks().filter(keep).to_numpy(zero_copy_only=False)
            self.keys.append(shuffle_keys(ids, self._settings.shuffle))
        if "split" in decided.column_names:
            chosen: Any = decided["split"].combine_chunks().filter(keep)
            found = chosen.fill_null("").dictionary_encode()
            codes = [self._names.setdefault(name, len(self._names)) for name in found.dictionary.to_pylist()]
            self._codes.append(np.array(codes, np.int16)[found.indices.to_numpy()])

    def splits(self) -> tuple[np.ndarray[Any, np.dtype[np.int16]], list[str]]:
        """(each sample's index in the names, the names of the splits, sorted)."""
        if not self._codes:
            return np.zeros(sum(self.counts), np.int16), [""]
        wrong = next((name for name in self._names if name and not _SPLIT.fullmatch(name)), None)
        if wrong is not None:
            raise InputError(
                f"{wrong!r} is no name for a split", act="use letters and digits in the recipe, and decide again"
            )
        names = sorted(self._names)
        renumbered = np.zeros(len(names), np.int16)
        for name, code in self._names.items():
            renumbered[code] = names.index(name)
        return renumbered[np.concatenate([np.zeros(0, np.int16), *self._codes])], names or [""]


def _totals(members: pa.ChunkedArray[Any]) -> Numbers:
    """Bytes of each sample's members."""
    lists: Any = members.combine_chunks()  # a list array, which the stubs do not know
    counts = lists.value_lengths().fill_null(0).to_numpy().astype(np.int64)
    each = lists.flatten().field("length").fill_null(0).to_numpy()
    ends = np.concatenate([np.zeros(1, np.int64), np.cumsum(each, dtype=np.int64)])
    last = np.cumsum(counts)
    return np.asarray(ends[last] - ends[last - counts], np.int64)


def _schema(run: RunDirectory, embedded: Sequence[str], schemas: Sequence[pa.Schema]) -> pa.Schema:
    """Every delivered column that any part has, and the embedding where there are some."""
    parts = pa.unify_schemas([schema.remove_metadata() for schema in schemas], promote_options="permissive")
    fields = [one for one in parts if one.name not in _NOT_DELIVERED]
    if embedded:
        fields.append(read_footer(run.embeddings(embedded[0])).schema.to_arrow_schema().field("embedding"))
    return pa.schema(fields)


@dataclass(frozen=True, slots=True)
class _Hashed:
    """The files of a partition.

    Attributes:
        part: Hash of its part.
        embeddings: Hash of its embeddings; None where there are none.
        copy: The part itself, where it lies elsewhere: it is asked for once, to be hashed and to be read.
    """

    part: bytes
    embeddings: bytes | None
    copy: IO[bytes] | None = None

    @contextmanager
    def opened(self, url: str) -> Iterator[pq.ParquetFile]:
        """The part, to read."""
        if self.copy is None:
            with open_parquet(url) as parquet:
                yield parquet
            return
        with self.copy, pq.ParquetFile(self.copy, page_checksum_verification=True) as parquet:
            yield parquet


def _hashed(run: RunDirectory, partitions: Sequence[Partition], embedded: Collection[str]) -> Iterator[_Hashed]:
    """The files of every partition, in order; a few are asked for ahead where they lie elsewhere."""

    def one(partition_id: str) -> _Hashed:
        embeddings = _sha256(run.embeddings(partition_id)) if partition_id in embedded else None
        url = run.part(partition_id)
        if storage.is_local(url):
            return _Hashed(_sha256(url), embeddings)
        with storage.open(url, whole=True) as source, ExitStack() as stack:
            copy = stack.enter_context(tempfile.SpooledTemporaryFile(_IN_MEMORY))
            digest = hashlib.sha256()
            while piece := source.read(_PIECE):
                digest.update(piece)
                copy.write(piece)
            copy.seek(0)
            stack.pop_all()  # whoever reads it closes it
        return _Hashed(digest.digest(), embeddings, copy)

    return storage.at_once(one, (partition.id for partition in partitions), run.root, _AT_ONCE)


def _sha256(location: str) -> bytes:
    with storage.open(location, whole=True) as file:
        return hashlib.file_digest(file, "sha256").digest()  # type: ignore[arg-type]  # a real file


class _Verdicts:
    """`decisions.parquet`, a few rows at a time."""

    def __init__(self, run: RunDirectory) -> None:
        self._run = run
        try:
            self.digest = _sha256(run.decisions)
        except OSError as error:
            raise IncompleteRunError(
                "this run is not decided",
                where=run.root,
                cause=error.strerror or str(error),
                act="decide first: `imagecurator decide`",
            ) from None
        self._open = ExitStack()
        parquet = self._open.enter_context(open_parquet(run.decisions))
        there = parquet.schema_arrow
        columns = [name for name in ("image_id", "verdict", "split") if name in there.names]
        self._batches = parquet.iter_batches(columns=columns)
        self._held = [pa.schema([there.field(name) for name in columns]).empty_table()]
        self._count = 0

    def take(self, count: int) -> pa.Table:
        """The next `count` rows."""
        while self._count < count:
            batch = next(self._batches, None)
            if batch is None:
                raise self.stale()
            self._held.append(pa.Table.from_batches([batch]))
            self._count += batch.num_rows
        table = pa.concat_tables(self._held)
        self._held, self._count = [table.slice(count)], self._count - count
        return table.slice(0, count)

    def finish(self) -> None:
        """Nothing may be left."""
        if self._count or next(self._batches, None) is not None:
            raise self.stale()

    def stale(self) -> InputError:
        """What to say when decisions and records do not fit together."""
        return InputError(
            "the decisions are not about the records that the run has now",
            where=self._run.root,
            cause="it was scored again since",
            act="decide again: `imagecurator decide`",
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

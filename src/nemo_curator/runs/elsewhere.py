"""Images of elsewhere that those of a run are compared with: of protect sets, and kept by earlier runs.

They are read where they lie, in a run directory of their own, and nothing is ever written there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from nemo_curator.cores import usable_cores
from nemo_curator.errors import InputError
from nemo_curator.kernels.in_order import in_order
from nemo_curator.runs.arrow_arrays import array_of
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.parts import damaged, read_part
from nemo_curator.runs.records import Records, records_of
from nemo_curator.shards.parquet import open_parquet

Role = Literal["protect", "against"]
Some = npt.NDArray[np.bool_]
Places = npt.NDArray[np.int64]

_VERDICTS = 1 << 20  # that are read at a time


@dataclass(frozen=True, slots=True)
class OtherSet:
    """A set of images elsewhere.

    Attributes:
        name: What records call it; no two sets of a decision have one name.
        role: `protect`, whose every readable image counts; or `against`, an earlier run, whose kept images do.
        run: Where it was scored.
        partition_ids: The partitions of that run, in source order.
        counted: `(records,)`, which of its images count.
        records: What records it has.
    """

    name: str
    role: Role
    run: RunDirectory
    partition_ids: tuple[str, ...]

    counted: Some = field(compare=False, repr=False)
    records: Records = field(compare=False, repr=False)

    @classmethod
    def of(cls, name: str, role: Role, run: RunDirectory, partition_ids: Sequence[str]) -> Self:
        """Find out which of its images count, once for all that is compared with them.

        Raises:
            InputError: A part, or the decisions, are missing, damaged, or of other records.
        """
        records = records_of(run, partition_ids)
        counted = _kept(run, records.rows) if role == "against" else _readable(run, partition_ids)
        return cls(name, role, run, tuple(partition_ids), counted, records)

    @property
    def key(self) -> str:
        """What files about it are called."""
        return f"{self.role}-{self.name}"

    def digest(self) -> str:
        """A hash of which of its images count."""
        return hashlib.sha256(np.packbits(self.counted).tobytes()).hexdigest()

    def tables(self, columns: Sequence[str], places: Places | None = None) -> Iterator[pa.Table]:
        """Some columns of the images that count, with the place of each in source order, some at a time.

        Columns that the set does not have are NULL.

        Args:
            columns: Names.
            places: `(K,)` of images that are wanted alone, ascending; all that count by default. Partitions that have
                none of them are not read.

        Raises:
            InputError: A part is missing or damaged.
        """
        if places is None:
            places = np.flatnonzero(self.counted)
        pieces, start = [], 0
        for partition_id, rows in zip(self.partition_ids, self.records.by_partition, strict=True):
            here = places[slice(*np.searchsorted(places, [start, start + rows]))]
            if len(here):
                pieces.append((partition_id, rows, here, start))
            start += rows
        # to open a file takes as long as to read some columns of it: one waits while another is read
        yield from in_order(lambda piece: self._piece(columns, *piece), pieces, usable_cores())

    def _piece(self, columns: Sequence[str], partition_id: str, rows: int, here: Places, start: int) -> pa.Table:
        """Some columns of some images of a partition, which has so many and begins at `start`."""
        table = read_part(self.run, partition_id, columns)
        if table.num_rows != rows:
            raise damaged(self.run.part(partition_id), "it was written anew meanwhile")
        found = pa.Table.from_arrays([_column(table, name) for name in columns], names=list(columns))
        # where all count, which is usual, nothing is copied
        found = found if len(here) == rows else found.take(array_of(here - start))
        return found.append_column("place", array_of(here))


def _readable(run: RunDirectory, partition_ids: Sequence[str]) -> Some:
    errors = [read_part(run, one, ["error"])["error"] for one in partition_ids]
    return np.concatenate([np.empty(0, np.bool_), *(pc.is_null(one).to_numpy().astype(np.bool_) for one in errors)])


def _kept(run: RunDirectory, records: int) -> Some:
    """Which records, of so many, an earlier run kept; what it kept can be read."""
    found = [np.empty(0, np.bool_)]
    try:
        with open_parquet(run.decisions) as parquet:
            found += [
                pc.equal(batch["verdict"], pa.scalar("keep")).to_numpy(zero_copy_only=False)
                for batch in parquet.iter_batches(_VERDICTS, columns=["verdict"])
            ]
    except (OSError, pa.ArrowException) as error:
        raise InputError(
            "the decisions of this earlier run cannot be read",
            where=run.decisions,
            cause=str(error).splitlines()[0],
            act="decide that run again",
        ) from None
    kept = np.concatenate(found).astype(np.bool_)
    if len(kept) != records:
        raise InputError(
            f"the earlier run has {records:,} records and {len(kept):,} verdicts",
            where=run.root,
            act="decide that run again",
        )
    return kept


def _column(table: pa.Table, name: str) -> pa.ChunkedArray[Any]:
    if name in table.column_names:
        return table[name]
    kind: Any = pa.int64() if name == "pdq_quality" else pa.string()
    return pa.chunked_array([pa.nulls(table.num_rows, kind)])

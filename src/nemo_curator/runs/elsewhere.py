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

from nemo_curator.errors import InputError
from nemo_curator.runs.arrow_arrays import array_of
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.parts import read_part
from nemo_curator.shards.parquet import open_parquet

Role = Literal["protect", "against"]
Some = npt.NDArray[np.bool_]

_READ = ("image_id", "sha256", "pixels_sha256", "pdq_quality")


@dataclass(frozen=True, slots=True)
class OtherSet:
    """A set of images elsewhere.

    Attributes:
        name: What records call it; no two sets of a decision have one name.
        role: `protect`, whose every readable image counts; or `against`, an earlier run, whose kept images do.
        run: Where it was scored.
        partition_ids: The partitions of that run, in source order.
        counted: `(records,)`, which of its images count.
    """

    name: str
    role: Role
    run: RunDirectory
    partition_ids: tuple[str, ...]

    counted: Some = field(compare=False, repr=False)

    @classmethod
    def of(cls, name: str, role: Role, run: RunDirectory, partition_ids: Sequence[str]) -> Self:
        """Find out which of its images count, once for all that is compared with them.

        Raises:
            InputError: A part, or the decisions, are missing, damaged, or of other records.
        """
        errors = [read_part(run, one, ["error"])["error"] for one in partition_ids]
        readable = [np.empty(0, np.bool_), *(pc.is_null(one).to_numpy().astype(np.bool_) for one in errors)]
        counted: Some = np.concatenate(readable)
        if role == "against":
            kept = _kept(run)
            if len(kept) != len(counted):
                raise InputError(
                    f"the earlier run has {len(counted):,} records and {len(kept):,} verdicts",
                    where=run.root,
                    act="decide that run again",
                )
            counted = counted & kept
        return cls(name, role, run, tuple(partition_ids), counted)

    @property
    def key(self) -> str:
        """What files about it are called."""
        return f"{self.role}-{self.name}"

    def digest(self) -> str:
        """A hash of which of its images count."""
        return hashlib.sha256(np.packbits(self.counted).tobytes()).hexdigest()

    def rows(self) -> Iterator[pa.Table]:
        """Ids and hashes of the images that count, with the place of each in source order, some at a time.

        Columns that the set does not have are NULL.

        Raises:
            InputError: A part is missing or damaged.
        """
        start = 0
        for partition_id in self.partition_ids:
            table = read_part(self.run, partition_id, list(_READ))
            here = np.flatnonzero(self.counted[start : start + table.num_rows])
            columns = [_column(table, name) for name in _READ]
            taken = pa.Table.from_arrays(columns, names=list(_READ)).take(array_of(here))
            if taken.num_rows:
                yield taken.append_column("place", array_of(here + start))
            start += table.num_rows


def _kept(run: RunDirectory) -> Some:
    try:
        with open_parquet(run.decisions) as parquet:
            found = [
                pc.equal(batch["verdict"], pa.scalar("keep")).to_numpy(zero_copy_only=False)
                for batch in parquet.iter_batches(columns=["verdict"])
            ]
    except (OSError, pa.ArrowException) as error:
        raise InputError(
            "the decisions of this earlier run cannot be read",
            where=run.decisions,
            cause=str(error).splitlines()[0],
            act="decide that run again",
        ) from None
    return np.concatenate([np.empty(0, np.bool_), *found]).astype(np.bool_)


def _column(table: pa.Table, name: str) -> pa.ChunkedArray[Any]:
    if name in table.column_names:
        return table[name]
    kind: Any = pa.int64() if name == "pdq_quality" else pa.string()
    return pa.chunked_array([pa.nulls(table.num_rows, kind)])

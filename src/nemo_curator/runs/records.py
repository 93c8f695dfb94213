"""Which records a run has, as its parts say themselves."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from typing import NamedTuple

from nemo_curator.runs.fingerprints import EMBEDDING
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.parts import facts_of, read_part
from nemo_curator.runs.record_digest import COLUMNS, RecordDigest
from nemo_curator.runs.stored_embeddings import stored_embeddings


class Records(NamedTuple):
    """Which records a run has.

    Attributes:
        by_partition: How many each partition has.
        digest: A hash of them by their bytes; with a column's fingerprint all that its values depend on.
    """

    by_partition: tuple[int, ...]
    digest: str

    @property
    def rows(self) -> int:
        """How many there are."""
        return sum(self.by_partition)


def records_of(run: RunDirectory, partition_ids: Sequence[str]) -> Records:
    """The records of a run. Only the ends of its parts are read, but for those that an earlier version wrote.

    Raises:
        InputError: A part is missing or damaged.
    """
    digest, counts = hashlib.sha256(), []
    for partition_id, facts in zip(partition_ids, facts_of(run, partition_ids), strict=True):
        rows, one = (facts.rows, facts.records) if facts else (0, "")
        if not one:
            table, read = read_part(run, partition_id, COLUMNS), RecordDigest()
            read.add(table)
            rows, one = table.num_rows, read.value()
        digest.update(f"{partition_id} {rows} {one}\n".encode())
        counts.append(rows)
    return Records(tuple(counts), digest.hexdigest())


def digest_of(run: RunDirectory, partition_ids: Sequence[str], records: Records, columns: Collection[str]) -> str:
    """A hash of what stands in some columns of a run, given how they are computed: of its records, and its embeddings.

    Scores are functions of the bytes. Embeddings are nearly so: their last bits may hang on the processor.

    Args:
        run: The run.
        partition_ids: Its partitions, in source order.
        records: Its records.
        columns: The columns; `embedding` for embeddings.

    Raises:
        InputError: Embeddings are damaged.
    """
    if EMBEDDING not in columns:
        return records.digest
    digest = hashlib.sha256(records.digest.encode())
    for partition_id in partition_ids:
        stored = stored_embeddings(run, partition_id)
        one = "" if stored is None else stored.digest or hashlib.sha256(stored.matrix(0, stored.rows).data).hexdigest()
        digest.update(f"{partition_id} {one}\n".encode())
    return digest.hexdigest()

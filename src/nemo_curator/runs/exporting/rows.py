"""What is known of the kept samples, a few rows at a time, in whatever order an export asks for them."""

from __future__ import annotations

import mmap
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import Any, Self, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from nemo_curator import storage
from nemo_curator.runs.exporting.arranging import Numbers
from nemo_curator.runs.exporting.plan import ExportPlan
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.parts import read_embeddings, read_part
from nemo_curator.shards.partitioning import Partition


class KeptRows:
    """Rows of kept samples. A context manager; of one thread.

    In source order the last part stays in memory. In any other order the rows are first written, once, to a
    temporary file that has no name, and mapped: a shard of a shuffled export is drawn from thousands of parts.

    Args:
        run: The run.
        partitions: Its partitions, in source order.
        plan: The export.
        needed: `(P,)` whether rows of each partition will be asked for.
    """

    def __init__(
        self, run: RunDirectory, partitions: list[Partition], plan: ExportPlan, needed: npt.NDArray[np.bool_]
    ) -> None:
        self._run = run
        self._partitions = partitions
        self._plan = plan
        self._needed = needed
        self._last: tuple[int, pa.RecordBatch] | None = None
        self._spooled: dict[int, int] = {}
        self._spool: pa.ipc.RecordBatchFileReader | None = None
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.push(self.__exit__)
            if self._plan.settings.shuffle is not None:
                self._fill()
            stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def take(self, numbers: Numbers) -> tuple[pa.Table, Numbers]:
        """(the rows of these samples, in their order; the partition of each)."""
        owners = np.searchsorted(self._plan.starts, numbers, side="right") - 1
        together = np.argsort(owners, kind="stable")
        groups = np.split(together, np.flatnonzero(np.diff(owners[together])) + 1)
        pieces = []
        for group in groups:
            owner = int(owners[group[0]])
            pieces.append(self._rows_of(owner).take(numbers[group] - self._plan.starts[owner]))
        table = pa.Table.from_batches(pieces, schema=self._plan.schema).combine_chunks()
        if not np.array_equal(together, np.arange(len(together))):
            back = np.empty_like(together)
            back[together] = np.arange(len(together))
            table = table.take(back)
        return table, owners

    def _rows_of(self, owner: int) -> pa.RecordBatch:
        if self._spool is not None:
            return self._spool.get_batch(self._spooled[owner])
        if self._last is None or self._last[0] != owner:
            self._last = owner, self._read(owner)
        return self._last[1]

    def _read(self, owner: int) -> pa.RecordBatch:
        """The kept rows of a partition, in source order."""
        schema, partition_id = self._plan.schema, self._partitions[owner].id
        part = read_part(self._run, partition_id)
        first, last = self._plan.starts[owner : owner + 2].tolist()
        kept = part.take(self._plan.positions[first:last]).combine_chunks()
        columns: list[Any] = []
        for field in schema:
            if field.name in part.column_names:
                columns.append(kept[field.name].cast(field.type).combine_chunks())
            elif field.name == "embedding":
                columns.append(self._embeddings(partition_id, kept["image_id"], field))
            else:
                columns.append(pa.nulls(kept.num_rows, field.type))
        return pa.record_batch(columns, schema=schema)

    def _embeddings(self, partition_id: str, ids: pa.ChunkedArray[Any], field: pa.Field[Any]) -> pa.Array[Any]:
        table = read_embeddings(self._run, partition_id)
        if table is None:
            return cast("pa.Array[Any]", pa.nulls(len(ids), field.type))
        places: Any = pc.index_in(ids, value_set=table["image_id"].combine_chunks())
        vectors: pa.Array[Any] = table["embedding"].cast(field.type).combine_chunks()
        return vectors.take(places.combine_chunks())

    def _fill(self) -> None:
        """Write the rows of all partitions that are needed to the temporary file."""
        with _no_room():
            file = self._stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 (the stack closes it)
            writer = self._stack.enter_context(pa.ipc.new_file(file, self._plan.schema))
        for owner in np.flatnonzero(self._needed).tolist():
            self._spooled[owner] = len(self._spooled)
            rows = self._read(owner)
            with _no_room():
                writer.write_batch(rows)
        with _no_room():
            writer.close()
            file.flush()
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._spool = pa.ipc.open_file(pa.py_buffer(mapped))


@contextmanager
def _no_room() -> Iterator[None]:
    """Say whose room it was that ran out."""
    try:
        yield
    except OSError as error:
        raise storage.storage_error(f"{tempfile.gettempdir()} (room to shuffle in)", error) from error

"""The verdicts of a run's readable images, in source order: one for each stored embedding.

Decisions have a row for every input; those of inputs that cannot be read, which are all in quarantine, are passed over.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from nemo_curator.errors import IncompleteRunError
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.shards.parquet import open_parquet

UNREADABLE = "quarantine"
_ROW = ("image_id", "verdict", "rule", "reason", "score", "threshold", "duplicate_of")


class ReadableVerdicts:
    """Verdicts to be taken in order, some at a time.

    Args:
        run: A decided run.
    """

    def __init__(self, run: RunDirectory) -> None:
        self._run = run
        self._batches = _batches(run, ["verdict"])
        self._held: list[pa.Array[Any]] = []

    def take(self, count: int, verdict: str = "") -> npt.NDArray[np.bool_]:
        """Whether each of the next `count` readable images has that verdict, `(count,)`.

        Raises:
            IncompleteRunError: The decisions are damaged, or have fewer rows.
        """
        there = sum(map(len, self._held))
        while there < count:
            batch = next(self._batches, None)
            if batch is None:
                raise unfit(self._run, "it has fewer rows than there are embeddings")
            self._held.append(batch["verdict"])
            there += batch.num_rows
        joined = pa.concat_arrays(self._held) if self._held else pa.array([], pa.string())
        self._held = [joined.slice(count)]
        same: npt.NDArray[np.bool_] = pc.equal(joined.slice(0, count), pa.scalar(verdict)).to_numpy(
            zero_copy_only=False
        )
        return same.astype(np.bool_, copy=False)


def rows_at(run: RunDirectory, places: Collection[int]) -> dict[int, dict[str, Any]]:
    """Place among the readable images to row of the decisions, for some of them.

    Args:
        run: A decided run.
        places: The places; those behind the last row are left out.

    Raises:
        IncompleteRunError: The decisions are damaged.
    """
    wanted = np.unique(np.fromiter(places, np.int64, len(places)))
    found: dict[int, dict[str, Any]] = {}
    start = 0
    for batch in _batches(run, _ROW) if len(wanted) else ():
        inside = wanted[(wanted >= start) & (wanted < start + batch.num_rows)]
        if len(inside):
            found.update(zip(inside.tolist(), batch.take(inside - start).to_pylist(), strict=True))
        start += batch.num_rows
        if start > wanted[-1]:
            break
    return found


def unfit(run: RunDirectory, cause: str) -> IncompleteRunError:
    """The error about decisions that are not those of the embeddings."""
    return IncompleteRunError(
        "the decisions of this run are damaged, or not of these embeddings",
        where=run.decisions,
        cause=cause,
        act=f"decide again with `imagecurator decide {run.root}`",
    )


def _batches(run: RunDirectory, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """The rows of readable images."""
    try:
        with open_parquet(run.decisions) as parquet:
            for batch in parquet.iter_batches(columns=list(columns)):
                yield batch.filter(pc.not_equal(batch["verdict"], pa.scalar(UNREADABLE)))
    except (OSError, ValueError, LookupError, pa.ArrowException) as error:
        raise unfit(run, " ".join(str(error).split())) from None

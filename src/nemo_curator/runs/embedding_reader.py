"""The stage that takes the place of an embedder where a run has the embeddings already."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from nemo_curator.errors import InputError
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.parts import read_part
from nemo_curator.runs.stored_embeddings import Half, StoredEmbeddings, stored_embeddings
from nemo_curator.stages.base import ProcessingStage
from nemo_curator.stages.declarations import Needs
from nemo_curator.tasks import ImageBatch, ImageObject, Record

NOT_STORED = "embedding_not_stored"
"""Code of an image for which the run has no embedding. It never stands in a part: `merging` looks what became of the
image before, or finds that the part has to be scored in another way."""

_AT_ONCE = 1000  # rows in memory; a batch seldom has more images


@dataclass
class EmbeddingReaderStage(ProcessingStage[ImageBatch, ImageBatch]):
    """Gives images the embeddings that are stored for them; those without one leave the batch as `NOT_STORED`.

    Args:
        run_dir: The run directory.
        fingerprint: Of how the embeddings must have been computed.
    """

    run_dir: str
    fingerprint: str
    _name: str = "stored_embeddings"
    _rows: _Rows | None = field(default=None, init=False, repr=False)

    def inputs(self) -> tuple[list[str], list[str]]:
        """A batch with `data`."""
        return ["data"], []

    def outputs(self) -> tuple[list[str], list[str]]:
        """Images with an embedding."""
        return ["data"], ["embedding"]

    def needs(self) -> Needs:
        """Nothing of an image but its id."""
        return Needs()

    def process(self, task: ImageBatch) -> ImageBatch:
        """Look up a batch's images."""
        rows = self._rows_of(str(task._metadata["partition_id"]))
        found: list[ImageObject] = []
        missing: list[Record] = []
        for image in task.data:
            image.embedding = rows.find(image.source.ordinal, image.image_id)
            if image.embedding is None:
                detail = "no embedding is stored for it"
                missing.append(image.quarantined(stage=self.name, code=NOT_STORED, detail=detail))
            else:
                found.append(image)
        return task.filtered(found, missing)

    def teardown(self) -> None:
        """Let go of the file that is open."""
        self._rows = None

    def _rows_of(self, partition_id: str) -> _Rows:
        if self._rows is None or self._rows.partition_id != partition_id:
            self._rows = _Rows(RunDirectory(self.run_dir), partition_id, self.fingerprint)
        return self._rows


class _Rows:
    """The embeddings of a partition, read some at a time, as its images come by in source order.

    Of the two files that hold them it is the one with checksums that is read. Where it is damaged behind its end, which
    alone was looked at before, nothing is found from there on.
    """

    def __init__(self, run: RunDirectory, partition_id: str, fingerprint: str) -> None:
        self.partition_id = partition_id
        self._ordinals = _readable(run, partition_id)
        stored = stored_embeddings(run, partition_id)
        fits = stored is not None and stored.fingerprint == fingerprint and stored.rows == len(self._ordinals)
        self._stored: StoredEmbeddings | None = stored if fits else None
        self._rewind()

    def find(self, ordinal: int, image_id: str) -> npt.NDArray[np.float32] | None:
        """The embedding `(D,)` of the record at that place in the partition; None where it has none, or another id."""
        row = int(np.searchsorted(self._ordinals, ordinal))
        if self._stored is None or row == len(self._ordinals) or self._ordinals[row] != ordinal:
            return None
        try:
            self._go_to(row)
        except InputError as error:
            _log(error)
            self._stored = None
            return None
        at = row - self._first
        if at >= len(self._ids) or self._ids[at].as_py() != image_id:
            return None
        wide: npt.NDArray[np.float32] = self._matrix[at].astype(np.float32)
        return wide

    def _rewind(self) -> None:
        self._first = 0
        self._ids: pa.Array[Any] = pa.array([], pa.string())
        self._matrix: Half = np.zeros((0, 0), np.float16)
        self._pieces: Iterator[tuple[pa.Array[Any], Half]] = (
            self._stored.batches(_AT_ONCE) if self._stored else iter(())
        )

    def _go_to(self, row: int) -> None:
        if row < self._first:  # a batch is tried again, image by image
            self._rewind()
        while row >= self._first + len(self._ids):
            following = next(self._pieces, None)
            if following is None:
                return
            self._first += len(self._ids)
            self._ids, self._matrix = following


def _readable(run: RunDirectory, partition_id: str) -> npt.NDArray[np.int64]:
    """Places of a part's readable images, ascending; none where the part cannot be read."""
    try:
        part = read_part(run, partition_id, ["ordinal", "error"])
    except InputError as error:
        _log(error)
        return np.zeros(0, np.int64)
    return part.filter(pc.is_null(part["error"]))["ordinal"].to_numpy().astype(np.int64)


def _log(error: InputError) -> None:
    from loguru import logger  # noqa: PLC0415  who finds nothing damaged need not wait for it

    logger.opt(depth=1).debug("{}", error)

"""The stage of a lazy scoring that finds out which images are rejected already, by the scores that there are so far."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field

import pyarrow as pa

from nemo_curator.runs.deciding import IdList, RowAnswers, Rule
from nemo_curator.runs.parts import part_schema
from nemo_curator.stages.base import ProcessingStage
from nemo_curator.stages.declarations import Column, Needs
from nemo_curator.stages.image.io.rows import identity_row
from nemo_curator.stages.image.rejections import mark_rejected
from nemo_curator.stages.worker import WorkerMetadata
from nemo_curator.tasks import ImageBatch


@dataclass
class LazyGateStage(ProcessingStage[ImageBatch, ImageBatch]):
    """Marks each image with the rules that reject it; later stages look at the mark, and pass over what they may.

    An image's mark depends on its own row alone: not on its batch, nor on who computes it.

    Args:
        rules: Number to rule of one row, whose columns are all there when images come by.
        columns: The scores of the run, for their types.
        allow: Images that no rule rejects.
    """

    rules: Mapping[int, Rule]
    columns: tuple[Column, ...] = ()
    allow: IdList | None = None
    _name: str = "lazy"
    _answers: RowAnswers | None = field(default=None, init=False, repr=False)
    _open: ExitStack = field(default_factory=ExitStack, init=False, repr=False)

    def model_bytes(self) -> int:
        """Of the database that asks the rules; measured, and rounded up."""
        return 80_000_000

    def needs(self) -> Needs:
        """What the rules read is there."""
        return Needs()

    def setup(self, _worker_metadata: WorkerMetadata | None = None) -> None:
        """Open the database that answers."""
        self._answers = self._open.enter_context(RowAnswers(list(self.rules.values()), part_schema(self.columns)))

    def teardown(self) -> None:
        """Close it."""
        self._answers = None
        self._open.close()

    def process(self, task: ImageBatch) -> ImageBatch:
        """Mark a batch's images.

        Raises:
            RuntimeError: The stage was not set up.
        """
        if self._answers is None:
            raise RuntimeError(f"stage {self.name!r} was not set up")
        if not task.data:
            return task
        numbers = list(self.rules)
        rows = [{**identity_row(image), **image.scores} for image in task.data]
        columns = [pa.array([row.get(one.name) for row in rows], one.type) for one in self._answers.schema]
        found = self._answers.ask(pa.Table.from_arrays(columns, schema=self._answers.schema))
        for image, answers in zip(task.data, found, strict=True):
            true = frozenset(numbers[at] for at in answers)
            mark_rejected(image, () if true and self._allows(image.image_id) else true)
        return task

    def _allows(self, image_id: str) -> bool:
        """Whether the list has an id; looked up, because a set of a million would take a worker's memory."""
        if self.allow is None:
            return False
        ids = self.allow.ids
        at = bisect_left(range(len(ids)), image_id, key=lambda place: str(ids[place].as_py()))
        return at < len(ids) and str(ids[at].as_py()) == image_id

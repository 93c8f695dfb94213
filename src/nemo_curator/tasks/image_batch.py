"""A batch of images, and the records of those that left it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from nemo_curator.tasks.image_object import ImageObject
from nemo_curator.tasks.record import Record
from nemo_curator.tasks.task import Task


@dataclass
class ImageBatch(Task[list[ImageObject]]):
    """Images still in play, in source order.

    Attributes:
        data: The images.
        records: What left the batch since it was read, and why.
    """

    data: list[ImageObject] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)

    @property
    def num_items(self) -> int:
        """Number of images still in play."""
        return len(self.data)

    def validate(self) -> bool:
        """Whether the payload is a list of images. An empty list is valid: everything may have been rejected."""
        return isinstance(self.data, list) and all(isinstance(image, ImageObject) for image in self.data)

    def filtered(self, kept: list[ImageObject], records: Sequence[Record] = ()) -> ImageBatch:
        """A batch of `kept`, with this one's name, metadata, timings and records, and `records` added."""
        return ImageBatch(
            dataset_name=self.dataset_name,
            data=kept,
            _stage_perf=self._stage_perf,
            _metadata=self._metadata,
            task_id=self.task_id,
            records=[*self.records, *records],
        )

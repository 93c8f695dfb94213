"""Images to rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from nemo_curator.stages.base import ProcessingStage
from nemo_curator.stages.declarations import Needs
from nemo_curator.stages.image.io.rows import metadata_json
from nemo_curator.tasks import DocumentBatch, ImageBatch, ImageObject


@dataclass
class ConvertImageBatchToDocumentBatchStage(ProcessingStage[ImageBatch, DocumentBatch]):
    """Turns a batch of images into a table of one row an image.

    Args:
        fields: Attributes of `ImageObject`, or names of scores, that become columns; `image_id` alone by default.
    """

    fields: list[str] = field(default_factory=list)
    _name: str = "convert_image_batch_to_document_batch"

    def inputs(self) -> tuple[list[str], list[str]]:
        """A batch with `data`."""
        return ["data"], []

    def outputs(self) -> tuple[list[str], list[str]]:
        """A table with the chosen columns."""
        return ["data"], list(self.fields or ["image_id"])

    def needs(self) -> Needs:
        """The full picture only where it is to become a column."""
        return Needs(pixels="image_data" in self.fields, embedding="embedding" in self.fields, returns_images=False)

    def process(self, task: ImageBatch) -> DocumentBatch:
        """One row an image, in order. Arrays become lists of their own type, mappings JSON.

        Raises:
            ValueError: An image has no attribute or score of that name.
        """
        names = self.fields or ["image_id"]
        columns = {name: pa.array([_value(image, name) for image in task.data], _TYPES.get(name)) for name in names}
        return DocumentBatch(
            dataset_name=task.dataset_name,
            data=pa.table(columns),
            _stage_perf=task._stage_perf,
            _metadata=task._metadata,
            task_id=task.task_id,
        )


# what a batch without images, or without values, could not tell
_TYPES = {
    "image_id": pa.string(),
    "image_path": pa.string(),
    "embedding": pa.list_(pa.float32()),
    "aesthetic_score": pa.float64(),
    "nsfw_score": pa.float64(),
    "metadata": pa.string(),
}


def _value(image: ImageObject, name: str) -> Any:
    if name in image.scores:
        return image.scores[name]
    if not hasattr(image, name):
        raise ValueError(
            f"image {image.image_id!r} has no field or score {name!r}; it has {sorted(vars(image) | image.scores)}"
        )
    value = getattr(image, name)
    if name == "metadata":
        return metadata_json(value)
    return value.tolist() if isinstance(value, np.ndarray) and value.ndim > 1 else value

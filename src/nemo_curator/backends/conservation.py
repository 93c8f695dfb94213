"""No image leaves a batch unnoticed: ids are compared before and after every stage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nemo_curator.tasks import ImageBatch, ImageObject, Record, Task


def settle(
    stage: str, images: Sequence[ImageObject], records: Sequence[Record], after: Sequence[Task[Any]]
) -> list[Record]:
    """Account for every image and record that a stage was given.

    Args:
        stage: The stage's name.
        images: The images that were in play in the tasks that it was given, listed before it ran.
        records: The records that they carried, listed before the stage ran.
        after: The tasks that it gave.

    Returns:
        Records that no resulting batch can carry, because no result is a batch of images. Records that a stage
        written elsewhere lost, and those of images that it dropped without a record, are put on the first
        resulting batch.
    """
    batches = [task for task in after if isinstance(task, ImageBatch)]
    if not batches and after:
        return list(records)  # images became something else (files, rows); their rejects stay ours to keep
    present = {_key(image) for batch in batches for image in batch.data}
    carried = {id(record) for batch in batches for record in batch.records}
    recorded = {record.image_id for batch in batches for record in batch.records}
    lost = [record for record in records if id(record) not in carried]
    lost += [
        image.rejected(stage=stage, detail=f"{stage} dropped it without a record")
        for image in images
        if _key(image) not in present and (not image.image_id or image.image_id not in recorded)
    ]
    if not batches:
        return lost
    batches[0].records[:0] = lost
    return []


def _key(image: ImageObject) -> str | int:
    """An image's id; its identity where it has none."""
    return image.image_id or id(image)

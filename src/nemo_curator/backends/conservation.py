"""No image leaves a batch unnoticed: ids are compared before and after every stage."""

from __future__ import annotations

from collections import Counter
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
    # counted, not looked up: a copied record is the same record, and ids made by hand may repeat or be empty
    present = Counter(_key(image) for batch in batches for image in batch.data)
    carried = Counter(_facts(record) for batch in batches for record in batch.records)
    lost = [record for record in records if not _take(carried, _facts(record))]
    recorded: Counter[str] = Counter()
    for facts, number in carried.items():
        recorded[facts[0]] += number
    lost += [
        image.rejected(stage=stage, detail=f"{stage} dropped it without a record")
        for image in images
        if not _take(present, _key(image)) and not _take(recorded, image.image_id)
    ]
    if not batches:
        return lost
    batches[0].records[:0] = lost
    return []


def _key(image: ImageObject) -> str | int:
    """An image's id; its identity where it has none."""
    return image.image_id or id(image)


def _facts(record: Record) -> tuple[str, str, str, str, str]:
    return record.image_id, record.verdict, record.stage, record.rule, record.code


def _take(counter: Counter[Any], key: object) -> bool:
    """Take one of `key`, if there is one."""
    if counter[key] <= 0:
        return False
    counter[key] -= 1
    return True

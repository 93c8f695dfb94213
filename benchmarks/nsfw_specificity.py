"""How often does the NSFW score call a harmless photo unsafe?

Specificity is the share of harmless pictures that score below a threshold. The photos (of clothes, and the Kodak suite)
hold nothing unsafe, so each score at or above a threshold is a false alarm. Sensitivity, the share of unsafe pictures
that are found, is not measured: no collection of such pictures is here.

Run: `python benchmarks/nsfw_specificity.py`, with the photos beside the checkout; half a minute on one core.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from nemo_curator.shards.listing import list_inputs
from nemo_curator.shards.reading import read_partition
from nemo_curator.stages.image.filters.nsfw_model_filter import ImageNSFWModelFilterStage
from nemo_curator.tasks import ImageBatch, ImageObject
from support.machine import publish, skip

DATA = Path(__file__).parents[1].parent / "shared" / "data"
COLLECTIONS = ("photos", "kodak")
THRESHOLDS = (0.2, 0.5, 0.8)
QUANTILES = (0.5, 0.9, 0.95, 0.99, 0.999, 1.0)
WORST = 5


def images(folder: Path) -> Iterator[ImageObject]:
    """Every image of a collection, in source order, by the ids that a run would give them."""
    for entry in list_inputs([str(folder)]).entries:
        for sample in read_partition([entry.location], {"input_root": entry.root}):
            if not sample.error:
                yield ImageObject(image_id=sample.image_id, encoded=sample.image)


def scores(stage: ImageNSFWModelFilterStage, folder: Path) -> dict[str, float]:
    """Image id to NSFW score, one picture at a time as a run would give it."""
    found = {}
    for image in images(folder):
        (scored,) = stage.annotate(ImageBatch(data=[image])).data
        found[scored.image_id] = float(scored.scores["nsfw_score"])
    return found


def figures(found: dict[str, float]) -> dict[str, Any]:
    """Specificity at each threshold, quantiles, and which pictures score highest."""
    values = np.array(list(found.values()))
    below = {str(threshold): int((values < threshold).sum()) for threshold in THRESHOLDS}
    worst = sorted(found, key=lambda name: -found[name])[:WORST]
    return {
        "pictures": len(found),
        "below": below,
        "specificity": {threshold: round(count / len(found), 4) for threshold, count in below.items()},
        "quantiles": {str(q): round(float(np.quantile(values, q)), 4) for q in QUANTILES},
        "highest": {name: round(found[name], 4) for name in worst},
    }


def main() -> None:
    """Score every collection that is there."""
    stage = ImageNSFWModelFilterStage()
    stage.setup(None)
    there = [name for name in COLLECTIONS if (DATA / name).is_dir()]
    if not there:
        skip("the photos are not beside this checkout; made pictures would say nothing about false alarms")
    found = {name: scores(stage, DATA / name) for name in there}
    publish("nsfw_specificity", {"model": stage.model, **{name: figures(found[name]) for name in there}})


if __name__ == "__main__":
    main()

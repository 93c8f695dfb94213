"""Ray Data: `read_webdataset`, `map_batches` with Pillow, and what it writes by itself.

`ray_data.py statistics|clip TARS OUTPUT [JSON]`. `statistics`: the scores join the row, which is written as WebDataset.
`clip`: a pool of actors, one a core, each with a CLIP tower of transformers and one thread; Parquet of embeddings.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import tarfile
from typing import Any

import numpy as np
import ray
from pillow_steps import Tower, options, statistics, tars, tensor

BATCH = 16
Rows = dict[str, Any]


def scored(rows: Rows) -> Rows:
    """The statistics of a batch, as columns."""
    found = [statistics(data) for data in rows["jpg"]]
    return {**rows, "json": np.array([json.dumps(one).encode() for one in found], object)}


class Embed:
    """The embeddings of a batch.

    Args:
        tower: Folder of the tower.
    """

    def __init__(self, tower: str) -> None:
        self._tower = Tower(tower, 1)

    def __call__(self, rows: Rows) -> Rows:
        """Keys and embeddings."""
        found = self._tower([tensor(data) for data in rows["jpg"]])
        return {"__key__": rows["__key__"], "embedding": found.astype(np.float16)}


def main(work: str, photos: str, output: str, given: str = "{}") -> None:
    """The whole data set, on all cores."""
    cores = len(os.sched_getaffinity(0))
    quiet = {"include_dashboard": False, "log_to_driver": False, "logging_level": logging.ERROR}
    ray.init("local", num_cpus=cores, **quiet)  # never another's cluster that is found on the machine
    ray.data.DataContext.get_current().enable_progress_bars = False
    rows = ray.data.read_webdataset(photos, decoder=None, file_extensions=["tar"])
    if work == "statistics":
        rows.map_batches(scored, batch_size=BATCH).write_webdataset(output, encoder=None)
        images = _written(output)
    else:
        tower = options(given)["tower"]
        pool = ray.data.ActorPoolStrategy(size=cores)
        # half a core each, by what Ray counts: actors that hold all cores leave none for reading, and nothing moves
        embedded = rows.map_batches(Embed, fn_constructor_args=(tower,), batch_size=BATCH, compute=pool, num_cpus=0.5)
        embedded.write_parquet(output)
        images = ray.data.read_parquet(output).count()
    sys.stdout.write(f"images {images}\n")


def _written(output: str) -> int:
    found = 0
    for path in tars(output):
        with tarfile.open(path) as tar:
            found += sum(name.endswith(".jpg") for name in tar.getnames())
    return found


if __name__ == "__main__":
    main(*sys.argv[1:])

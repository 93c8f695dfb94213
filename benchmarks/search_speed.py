"""How long does it take to rank a run's stored embeddings, against the bare product?

A run of made embeddings, in partitions of 10,000 as ten shards of a usual size have. *ours*: `runs.ranking.rank` over
the files of the run, as `imagecurator search` calls it, exact and with every check. *ready*: NumPy's product over one
array of 32-bit floats in memory, converted before the clock starts: the bound, with twice the memory of the files.
*stored*: the same over one array of the 16-bit floats that a run stores, converted by NumPy as it is asked. Each takes
the best 20. They are timed in turn; the files are in the system's cache, as they are from the second search on.

Run: `python benchmarks/search_speed.py [--rows 1000000] [--dimension 768] [--rounds 5]`
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from nemo_curator.cores import usable_cores
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.parts import part_schema, write_embeddings, write_part_table
from nemo_curator.runs.ranking import Target, rank
from support.machine import publish

PARTITION = 10_000
BEST = 20
_MADE = "made"


def make_run(root: str, rows: int, dimension: int) -> Target:
    """Parts and embeddings of random directions."""
    run, ids, schema = RunDirectory(root), [], part_schema(())
    for number, start in enumerate(range(0, rows, PARTITION)):
        count = min(PARTITION, rows - start)
        vectors = np.random.default_rng(number).standard_normal((count, dimension), np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        names = [f"photos/{at:09d}" for at in range(start, start + count)]
        ids.append(f"{number:016x}")
        write_embeddings(run, ids[-1], names, vectors, _MADE)
        columns = [pa.array(names) if one.name == "image_id" else pa.nulls(count, one.type) for one in schema]
        write_part_table(run, ids[-1], pa.table(columns, schema=schema), {"embedding": _MADE})
    return Target(run, ids, _MADE)


def stored_rows(target: Target) -> npt.NDArray[np.float16]:
    """All stored rows as one array in memory."""
    files = [Path(target.run.embedding_matrix(one)) for one in target.partition_ids]
    return np.concatenate([np.load(one, mmap_mode="r") for one in files])


def best_of(cosines: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    """The rows of the largest."""
    return np.argpartition(cosines, -BEST)[-BEST:]


def seconds_of(ask: Callable[[], object]) -> float:
    """Wall seconds of one call."""
    start = time.perf_counter()
    ask()
    return time.perf_counter() - start


def main() -> None:
    """Time all of them in turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--dimension", type=int, default=768)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    cores = usable_cores()
    with tempfile.TemporaryDirectory() as folder:
        target = make_run(os.path.join(folder, "run"), given.rows, given.dimension)  # noqa: PTH118 (a run is a string)
        stored = stored_rows(target)
        ready = stored.astype(np.float32)
        query = ready[given.rows // 2].copy()
        found = rank(target, query, count=BEST, threads=cores)
        assert {one.place for one in found.found} == set(best_of(ready @ query).tolist()), "they disagree"
        asked: dict[str, Callable[[], object]] = {
            "ours": lambda: rank(target, query, count=BEST, threads=cores),
            "ours_one_thread": lambda: rank(target, query, count=BEST, threads=1),
            "ready": lambda: best_of(ready @ query),
            "stored": lambda: best_of(stored.astype(np.float32) @ query),
        }
        taken: dict[str, list[float]] = {name: [] for name in asked}
        for _ in range(given.rounds):
            for name, ask in asked.items():
                taken[name].append(seconds_of(ask))
    seconds = {name: statistics.median(runs) for name, runs in taken.items()}

    def ratio(other: str) -> float:
        pairs = zip(taken[other], taken["ours"], strict=True)
        return round(statistics.median(bare / ours for bare, ours in pairs), 2)

    publish(
        f"search_speed_{given.rows}_{given.dimension}",
        {
            "data": f"{given.rows:,} made rows of {given.dimension:,} numbers in {len(target.partition_ids):,} parts",
            "seconds": {name: round(value, 3) for name, value in seconds.items()},
            "rows_a_second": round(given.rows / seconds["ours"]),
            "ratio": {"ready": ratio("ready"), "stored": ratio("stored")},
            "rounds": given.rounds,
        },
    )


if __name__ == "__main__":
    main()

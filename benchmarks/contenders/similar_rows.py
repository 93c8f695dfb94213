"""One way to find all pairs of similar rows, in a process of its own: `similar_rows.py WAY ROWS LEAST OUT [JSON]`.

Prints seconds, peak memory and facts as JSON; writes the pairs as `smaller * N + larger`, sorted. FAISS and USearch get
their rows in memory, in the type that they want, before the clock starts; ours reads the file.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from nemo_curator.kernels.cells import Cells
from nemo_curator.kernels.pair_search import SearchSettings, cells_of, search_between, search_within
from nemo_curator.kernels.rows import ArrayRows
from nemo_curator.kernels.similar import Pairs, joined, similar_pairs
from nemo_curator.runs.array_folder import Shape, open_arrays, write_arrays

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
AT_ONCE = 10_000  # queries in a call of a library

Answer = tuple[float, np.ndarray, dict[str, Any]]


def _mapped(path: str) -> np.ndarray:
    return np.load(path, mmap_mode="r")


def _codes(found: Pairs, number: int) -> np.ndarray:
    return np.sort(found.left * number + found.right)


def _both(left: np.ndarray, right: np.ndarray, number: int) -> np.ndarray:
    """Codes of pairs that a library gives in both directions, and of each row with itself."""
    smaller, larger = np.minimum(left, right), np.maximum(left, right)
    return np.unique((smaller * number + larger)[smaller < larger])


def ours(path: str, least: float, given: dict[str, Any]) -> Answer:
    """Whatever the search decides on."""
    rows = ArrayRows([_mapped(path)])
    start = time.perf_counter()
    search = search_within(rows, least, SearchSettings(threads=CORES, **given))
    found = joined(list(search.pairs(lambda *_: None)))
    seconds = time.perf_counter() - start
    recall = search.recall
    facts: dict[str, Any] = {}
    if recall is not None:
        facts = {
            "probes": recall.probes,
            "measured_recall": recall.share,
            "at_least": recall.at_least,
            "on": recall.pairs,
        }
    return seconds, _codes(found, len(rows)), facts


def ours_exact(path: str, least: float, given: dict[str, Any]) -> Answer:
    """Every row against every other."""
    rows = ArrayRows([_mapped(path)])
    start = time.perf_counter()
    found = joined(list(similar_pairs(rows, least, threads=CORES, **given)))
    return time.perf_counter() - start, _codes(found, len(rows)), {}


def ours_further(path: str, least: float, given: dict[str, Any]) -> Answer:
    """The last rows against all others, whose cells lie in files and are mapped; then those among themselves."""
    matrix, number = _mapped(path), given["further"]
    old, new = ArrayRows([matrix[:-number]]), ArrayRows([matrix[-number:]])
    settings = SearchSettings(threads=CORES)
    folder = str(Path(path).with_suffix(".cells"))
    if open_arrays(folder, "") is None:
        made = cells_of(old, settings)
        arrays = {name: getattr(made, name) for name in ("centroids", "order", "starts")}
        write_arrays(folder, "", {name: Shape.of(array) for name, array in arrays.items()}, arrays.items())
    start = time.perf_counter()
    search = search_between(new, old, least, Cells(**open_arrays(folder, "")), settings)
    between = joined(list(search.pairs(lambda *_: None)))
    within = joined(list(search_within(new, least, settings).pairs(lambda *_: None)))
    seconds, first = time.perf_counter() - start, len(old)
    left = np.concatenate([between.right, within.left + first])
    right = np.concatenate([between.left + first, within.right + first])
    facts = {"probes": search.recall.probes, "measured_recall": search.recall.share} if search.recall else {}
    return seconds, np.sort(left * len(matrix) + right), facts


def faiss_flat(path: str, least: float, given: dict[str, Any]) -> Answer:
    """FAISS's exact index."""
    del given
    import faiss

    rows = np.asarray(_mapped(path), np.float32)
    start = time.perf_counter()
    index = faiss.IndexFlatIP(rows.shape[1])
    index.add(rows)
    return *_ranged(index, rows, rows, least, start), {}


def faiss_ivf(path: str, least: float, given: dict[str, Any]) -> Answer:
    """FAISS's inverted lists, with so many probes as a sample of known pairs needs: found before the clock.

    Where `asked` is given, so many rows are looked up, and the time for them is counted for all.
    """
    import faiss

    rows = np.asarray(_mapped(path), np.float32)
    lists = round(4 * len(rows) ** 0.5)
    start = time.perf_counter()
    index = faiss.IndexIVFFlat(faiss.IndexFlatIP(rows.shape[1]), rows.shape[1], lists, faiss.METRIC_INNER_PRODUCT)
    index.cp.niter, index.cp.max_points_per_centroid, index.cp.min_points_per_centroid = 6, 32, 16  # as few as ours
    index.train(rows)
    index.add(rows)
    made = time.perf_counter() - start
    truth = np.load(given["known"])
    sample = np.unique(truth // len(rows))
    for probes in (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 128):
        index.nprobe = probes
        limits, _, of = index.range_search(rows[sample], least)
        got = _both(np.repeat(sample, np.diff(limits.astype(np.int64))), of, len(rows))
        recall = float(np.isin(truth, got).mean())
        if recall >= given["recall"]:
            break
    asked = given.get("asked", len(rows))
    seconds, codes = _ranged(index, rows, rows[:asked], least, time.perf_counter())
    facts = {"lists": lists, "probes": probes, "made_seconds": round(made, 2)}
    if asked < len(rows):
        facts |= {"asked": asked, "recall": round(recall, 4)}
    return made + seconds * len(rows) / asked, codes, facts


def _ranged(index: Any, rows: np.ndarray, asked: np.ndarray, least: float, start: float) -> tuple[float, np.ndarray]:
    lefts, rights = [], []
    for begin in range(0, len(asked), AT_ONCE):
        limits, _, of = index.range_search(asked[begin : begin + AT_ONCE], least)
        lefts.append(np.repeat(np.arange(len(limits) - 1) + begin, np.diff(limits.astype(np.int64))))
        rights.append(of)
    seconds = time.perf_counter() - start
    return seconds, _both(np.concatenate(lefts), np.concatenate(rights), len(rows))


def usearch(path: str, least: float, given: dict[str, Any]) -> Answer:
    """USearch's graph: the ten nearest of each row, for it has no search by distance."""
    del given
    from usearch.index import Index

    rows = np.array(_mapped(path))
    start = time.perf_counter()
    index = Index(ndim=rows.shape[1], metric="ip", dtype="f16")
    index.add(np.arange(len(rows)), rows, threads=CORES)
    lefts, rights = [], []
    for begin in range(0, len(rows), AT_ONCE):
        some = index.search(rows[begin : begin + AT_ONCE], 10, threads=CORES)
        near = some.distances <= 1 - least
        lefts.append(np.repeat(np.arange(len(near)) + begin, near.sum(axis=1)))
        rights.append(some.keys[near].astype(np.int64))
    seconds = time.perf_counter() - start
    return seconds, _both(np.concatenate(lefts), np.concatenate(rights), len(rows)), {}


WAYS: dict[str, Callable[[str, float, dict[str, Any]], Answer]] = {
    one.__name__: one for one in (ours, ours_exact, ours_further, faiss_flat, faiss_ivf, usearch)
}


def main(way: str, path: str, least: str, output: str, given: str = "{}") -> None:
    """Find, write, print."""
    seconds, codes, facts = WAYS[way](path, float(least), json.loads(given))
    np.save(output, codes)
    print(json.dumps({"seconds": round(seconds, 2), "peak_mb": round(_peak() / 1e6), "pairs": len(codes), **facts}))


def _peak() -> int:
    """Bytes of this process at most; `ru_maxrss` would count those of the process that started it."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024


if __name__ == "__main__":
    main(*sys.argv[1:])
